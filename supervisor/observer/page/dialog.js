// The question before an action: who goes along, how long it may take, and on which run one acts.
import { $, h } from './dom.js'
import { clock, now } from './clock.js'
import { M } from './state.js'
import { act } from './api.js'
import { count, number } from './look.js'
import { verbs } from './child.js'

const many = 99 // from here on, the number must be typed

let asked = null // the request that is being confirmed
let waiting = null // aborts the one that is under way

export const isOpen = () => $('#ask').open

function open(...content) {
	const dialog = $('#ask')
	dialog.replaceChildren(h('form', { method: 'dialog' }, ...content))
	dialog.setAttribute('aria-labelledby', 'asked')
	if (dialog.open) dialog.querySelector('[autofocus]').focus()
	else dialog.showModal()
}

const title = text => h('p', { class: 'hd', id: 'asked' }, text)

// ask opens the dialog for an action on the child that is shown. Problem says why the request before it failed.
export function ask(action, problem) {
	const choice = M.child && M.child.acts && M.child.acts.find(c => c.action == action)
	if (!choice) return refuse(action, problem)
	const node = M.child.node
	asked = { path: node.path, action, run: choice.run }
	open(title(`${verbs[action]} ${node.name}?`), h('p', { class: 'm mut' }, node.path),
		problem ? h('p', { class: 'err bad', role: 'alert' }, problem) : null,
		h('p', {}, choice.text),
		choice.also_n ? [
			h('p', {}, h('b', {}, count(choice.also_n, 'other child goes along', 'other children go along')),
				choice.well_n ? `; ${number(choice.well_n)} of them ${choice.well_n == 1 ? 'is' : 'are'} well now.` : '.'),
			h('ul', { class: 'also m', tabindex: 0, 'aria-label': 'They go along' }, choice.also.map(path => h('li', {}, path)),
				choice.also_n > choice.also.length ? h('li', {}, `and ${number(choice.also_n - choice.also.length)} more`) : null)] : null,
		h('dl', { class: 'kv' }, [
			['Longest stop', choice.longest],
			['You act on', choice.run ? `run ${number(choice.run)}, as seen at ${clock(now())}` : 'a child that has not run yet'],
			['It is logged', 'with who asked'],
		].filter(([, value]) => value).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])),
		choice.force ? h('label', { class: 'chk' }, h('input', { type: 'checkbox', name: 'force', required: true }),
			h('span', {}, 'It serves this page. I know that the page goes away with it.')) : null,
		choice.also_n > many ? h('label', {}, `Type ${choice.also_n}, the number of children that go along`, h('br'),
			h('input', { name: 'typed', pattern: String(choice.also_n), required: true, autocomplete: 'off', inputmode: 'numeric' })) : null,
		h('div', { class: 'row end' },
			h('button', { value: 'no', formnovalidate: true, autofocus: true }, 'Cancel'),
			h('button', { value: 'yes', class: action == 'start' || action == 'resume' ? null : 'danger' }, verbs[action])))
}

const refuse = (action, problem) => open(title(verbs[action] + ' is not possible now'),
	h('p', { class: 'err bad', role: 'alert' }, problem || (M.child ? 'The child has changed.' : 'The child is still being read. Try again in a moment.')), close())

const close = () => h('div', { class: 'row end' }, h('button', { value: 'no', autofocus: true }, 'Close'))

// listen makes the dialog work. Changed is called after each answer, and returns when the child has been read again;
// tell speaks to screen readers.
export function listen(changed, tell) {
	$('#ask').addEventListener('close', () => {
		asked = null
		if (waiting) waiting.abort()
	})
	$('#ask').addEventListener('submit', async event => {
		if (!event.submitter || event.submitter.value != 'yes' || !asked) return
		event.preventDefault()
		const request = { ...asked, force: Boolean(event.target.elements.force) }
		const mine = (waiting = new AbortController())
		open(title(`${verbs[request.action]}: asked`), h('p', { class: 'm mut' }, request.path),
			h('p', { role: 'status' }, 'Waiting until it is done.'), h('div', { class: 'row end' }, h('button', { value: 'no', autofocus: true }, 'Do not wait')))
		let problem
		try {
			const answer = await act(request, mine.signal)
			problem = answer.note || ''
			tell(`${verbs[request.action]} of ${request.path}: ` + (answer.note || (answer.later ? 'accepted' : 'done')))
			if (problem) open(title('Done, but'), h('p', { class: 'err', role: 'alert' }, problem), close())
			else $('#ask').close()
			await changed()
		} catch (failure) {
			if (mine.signal.aborted) return
			if (failure.status == undefined) throw failure
			const other = failure.answer.now_run
			await changed()
			const answered = M.child && M.child.node && M.child.node.path == request.path ? ask : refuse // another child is shown by now
			answered(request.action, failure.status == 409 && other
				? `Not done. You saw run ${number(request.run)}; by now it is run ${number(other)}. Look again before you act.`
				: 'Not done. ' + (failure.message || 'The server answered ' + failure.status + '.'))
		}
	})
}

const keys = [['1 2 3', 'Overview, tree, timeline'], ['/', 'Search'], ['t', 'Trouble only'], ['n p', 'Next, previous in trouble'],
	['↑ ↓', 'Rows'], ['→ ←', 'Open, close'], ['Enter', 'Details'], ['Esc', 'Back']]

export const help = () => open(title('Keys'),
	h('dl', { class: 'kv' }, keys.map(([key, does]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, does)])), close())
