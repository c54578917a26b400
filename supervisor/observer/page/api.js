// The requests to the server, and the stream that says that something happened. All addresses are relative, so the page
// works below any prefix.
import * as clock from './clock.js'

// Fields that are times become milliseconds. Texts of children are never in these fields.
const times = new Set(('now at since started first last from to last_error_at unready_since next_start stop_by time time_to').split(' '))
const revive = (name, value) => (typeof value == 'string' && times.has(name) ? Date.parse(value) : value)

// A Failure has the status of the answer, and zero if there was none.
export class Failure extends Error {
	constructor(status, answer) {
		super(answer.error || '')
		this.status = status
		this.answer = answer
	}
}

async function ask(name, options) {
	let response, text
	try {
		response = await fetch(name, { cache: 'no-store', ...options })
		text = await response.text()
	} catch (error) {
		throw new Failure(0, { error: error.message })
	}
	let answer = {}
	try {
		answer = JSON.parse(text, revive)
	} catch {
		answer.error = text.slice(0, 300) // of a proxy, for example
	}
	if (!response.ok) throw new Failure(response.status, answer)
	const said = /"now":"([^"]*)"/.exec(text)
	if (said) clock.sync(said[1])
	return answer
}

// A moment is a whole millisecond, with all that happened in it.
const moment = ms => new Date(ms).toISOString().replace('Z', '999999Z')

// get asks for a view. Parameters without a value are left out; at and since are in milliseconds.
export function get(name, parameters) {
	const query = new URLSearchParams()
	for (const [k, v] of Object.entries(parameters)) {
		if (v) query.set(k, k == 'at' || k == 'since' ? moment(v) : v)
	}
	return ask(name + (query.size ? '?' + query : ''), { signal: AbortSignal.timeout(name == 'goroutines' ? 6e4 : 2e4) })
}

export const act = (request, signal) =>
	ask('act', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(request), signal })

// Stream calls happened after each event, and broke once when it has ended for whatever reason.
export class Stream {
	constructor(happened, broke) {
		const source = new EventSource('events?ticks=1')
		const end = () => {
			this.close()
			broke()
		}
		const message = event => {
			this.heard = performance.now()
			happened(event)
		}
		this.heard = 0 // when the last message came; 0 before the first
		this.close = () => source.close()
		source.onmessage = message
		source.addEventListener('tick', message)
		source.addEventListener('missed', message)
		source.addEventListener('bye', end)
		source.onerror = end
	}
}
