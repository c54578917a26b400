// One child: what it does, what comes next, what can be done, and what led to it.
import { h } from './dom.js'
import { clock, time } from './clock.js'
import { S, M, L, link } from './state.js'
import { count, look, marked, number, symbol, toneOf, wordOf } from './look.js'
import { eventRow } from './event.js'

const back = () => h('p', { class: 'row back' }, h('a', { class: 'btn', href: link({ ...S, path: '' }) }, 'Back to the tree'))

export const verbs = { restart: 'Restart', stop: 'Stop', start: 'Start', suspend: 'Suspend', resume: 'Resume' }

export function detail(d) {
	if (d == 'gone') {
		return [back(), h('h2', { class: 'hd', tabindex: -1 }, 'It is gone'),
			h('p', { class: 'say' }, 'No child has this path ' + (S.at ? 'at that moment.' : 'now. It was removed, or it was temporary and has ended.')),
			h('p', { class: 'm' }, S.path),
			h('p', {}, h('a', { href: link({ view: 'time', below: S.path }) }, 'Its events on the timeline'))]
	}
	const node = d.node
	const picture = look(node)
	const above = node.path.split('/').slice(1, -1)
	return [back(),
		h('p', { class: 'crumb m' }, above.map((name, i) =>
			[h('a', { href: link({ ...S, path: '/' + above.slice(0, i + 1).join('/') }) }, name), ' / '])),
		h('h2', { class: 'hd', tabindex: -1 }, symbol(picture, true), node.name),
		h('p', { class: 'say ' + (node.abandoned && picture == 'running' ? 'warn' : toneOf(picture)) }, d.say,
			node.next_start ? [' It starts ', time(node.next_start, 'left'), '.'] : '',
			node.stop_by ? [' It is abandoned ', time(node.stop_by, 'left'), '.'] : ''),
		failure(d),
		S.at || !d.acts.length ? null : h('div', { class: 'row acts' },
			d.acts.map(choice => h('button', { 'data-do': 'ask', 'data-a': choice.action }, verbs[choice.action] + '…'))),
		section('What comes next', next(d.next)),
		section('Facts', facts(node, d.history)),
		section('Its spec', d.spec.map(line => h('p', {}, line))),
		section('Last events', h('div', {}, d.events.length ? d.events.map(e => eventRow(e, node.path)) : h('p', { class: 'mut' }, 'None is remembered.')),
			h('p', {}, h('a', { href: link({ view: 'time', below: node.path }) }, 'All its events on the timeline'))),
		d.panic ? h('section', {}, h('details', { class: 'sec', 'data-k': 'panic' },
			h('summary', {}, h('span', { class: 'tw2' }), `Last panic, run ${d.panic.run}, ${clock(d.panic.at)}`),
			stack(d.panic.text + '\n' + d.panic.stack))) : null,
		S.at ? null : section('Goroutines now', goroutines(L.stacks[node.path]))]
}

const section = (title, ...rest) => h('section', { 'data-k': title }, h('h2', {}, title), ...rest)

function failure(d) {
	const text = d.error || d.node.unready || d.node.last_error
	if (!text) return null
	const unready = Boolean(d.node.unready)
	const when = unready ? d.node.unready_since : d.node.last_error_at
	const tone = d.node.trouble > 2 ? 'bad' : d.node.trouble > 1 ? '' : 'old'
	return h('p', { class: 'err ' + tone }, text, when ? [h('br'),
		h('span', { class: 'mut' }, (unready ? 'not ready since ' : 'last error at ') + clock(when) + ', ', time(when, 'ago'))] : null)
}

function next(list) {
	const timed = list.some(step => step.at)
	return h('ol', { class: timed ? 'next' : 'next one' }, list.map(step =>
		h('li', {}, timed ? h('span', { class: 'w' }, step.at ? time(step.at, 'left') : 'then') : null, h('span', {}, step.text))))
}

const facts = (node, history) => h('dl', { class: 'kv' }, [
	['Says', node.text],
	['In this state', node.since && ['since ' + clock(node.since) + ', ', time(node.since, 'exact')]],
	['Run', node.run ? number(node.run) + (node.restarts ? ', after ' + count(node.restarts, 'restart', 'restarts') : ', never restarted') : 'none yet'],
	['Failures', history && history.failures > 1 && [number(history.failures) + ', the first at ' + clock(history.first) + ': ',
		h('span', { class: 'm' }, marked(history.first_text))]],
	['Abandoned', node.abandoned && count(node.abandoned, 'earlier run has not returned', 'earlier runs have not returned')],
	['Supervisor', node.strategy && [node.strategy, node.intensity && ', gives up after more than ' + node.intensity,
		node.counted ? `; ${node.counted} count now` : null]],
	['Below it', node.supervisor && (Object.entries(node.counts || {}).map(([k, n]) => number(n) + ' ' + wordOf(k)).join(', ') || 'no children')],
].filter(([, value]) => value).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]))

// stack shows what is not the program's own in grey.
export const stack = text => h('pre', { class: 'stack', tabindex: 0, role: 'region', 'aria-label': 'Stack' },
	text.split('\n').map(line => h('span', { class: /^(\t|runtime[./]|sync[./])/.test(line) ? 'lib' : null }, line.replace(/^\t/, '\u00a0\u00a0') + '\n')))

function goroutines(read) {
	const button = (text, force) => h('div', {}, h('button', { 'data-do': 'goroutines', 'data-a': force }, text))
	if (!read) return [button('Read them', ''), h('p', { class: 'mut' }, `This looks once at all ${number(M.head.goroutines)} goroutines of the process.`)]
	if (read == 'reading') return h('p', { class: 'mut', role: 'status' }, 'Reading…')
	if (read.error) return [h('p', { class: 'err old' }, read.error), button('Read them all the same', '1')]
	if (!read.labeled) return h('p', {}, 'No goroutine has the label of a child. Set Around: observer.Label in the spec of the root to see them here.')
	return [read.stacks.length ? null : h('p', { class: 'mut' }, 'It has none.'),
		...read.stacks.map(s => h('div', {}, h('p', { class: 'mut' }, count(s.n, 'goroutine', 'goroutines'), s.path == S.path ? '' : ' of ' + s.path), stack(s.stack))),
		read.more ? h('p', { class: 'mut' }, count(read.more, 'more stack is', 'more stacks are') + ' not shown.') : null,
		h('p', { class: 'mut' }, 'Read at ' + clock(read.at) + '.'), button('Read them again', '')]
}
