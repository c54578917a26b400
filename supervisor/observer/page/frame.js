// What stands around each view: the head with the verdict, the bars that say what one looks at, and what is shown when
// there is nothing to look at.
import { $, h, show, visible } from './dom.js'
import { clock, time, zoneName } from './clock.js'
import { S, M, L, link } from './state.js'
import { empty, number, symbol, verdicts } from './look.js'
import { overview } from './overview.js'
import { tree } from './tree.js'
import { timeline } from './timeline.js'

// F is the state of the connection.
//   problem: the failure of the last request; lost: there is no connection; retry: when the next try is, on the
//   browser's clock
export const F = { problem: null, lost: false, retry: 0 }

const views = { overview, tree, time: timeline }

export function draw() {
	const main = $('main')
	const head = M.head
	document.body.classList.toggle('stale', F.lost && Boolean(head))
	if (!head || (F.problem && !F.lost)) return drawNothing(main)
	const [word, picture, tone, mark] = verdicts[head.state] || verdicts.degraded
	document.title = visible(mark + head.name + ' ' + word.toLowerCase())
	show($('#title'), symbol(picture, true), h('b', {}, head.name), h('span', { class: tone }, word),
		head.since ? h('span', { class: 'mut' }, time(head.since)) : null)
	show($('#views'), [['overview', 'Overview', head.causes.length + head.more_causes, ' causes'], ['tree', 'Tree', head.trouble, ' in trouble'], ['time', 'Timeline']]
		.map(([view, name, n, unit]) => h('a', { href: link({ view }), 'aria-current': S.view == view ? 'page' : null }, name,
			n ? h('span', { class: 'n', 'aria-label': number(n) + unit }, number(n)) : null)))
	show($('#connection'), h('span', { class: S.at ? 'dot off' : 'dot' }), S.at ? 'past' : F.lost ? 'not live' : 'live',
		h('span', { class: 'hk' }, ' · ' + clock(S.at || head.now) + ' ' + zoneName()))
	show($('#bars'), F.lost ? lost(head) : null, S.at ? past() : null)
	const focused = document.activeElement
	const key = focused && main.contains(focused) && focused.dataset.k
	M.causes = inOrder(main, head.causes)
	show(main, views[S.view]())
	inputs(main)
	const wanted = L.focus && L.focus()
	if (wanted) {
		L.focus = null
		wanted.focus({ preventScroll: wanted.matches('.hd') })
	} else if (key && document.activeElement != focused) {
		const again = [...main.querySelectorAll('[data-k]')].find(e => e.dataset.k == key)
		if (again) again.focus({ preventScroll: true })
	}
	foot(head)
}

const lost = head => h('div', { class: 'bar lost', 'data-k': 'lost', role: 'alert' }, symbol('error', true),
	h('span', {}, h('b', {}, F.problem.status ? (F.problem.message || 'The server answered ' + F.problem.status) + '. ' : 'Connection lost. '), 'What you see is from ', clock(head.now), ', ', time(head.now, 'lost'), '. Ages and countdowns stand still.'),
	h('span', { class: 'sp' }), h('span', { class: 'mut', id: 'retry' }), h('button', { 'data-do': 'retry' }, 'Try now'))

// tickRetry counts down to the next try.
export function tickRetry() {
	const e = $('#retry')
	if (e) e.textContent = F.retry ? `Next try in ${Math.max(0, Math.ceil((F.retry - performance.now()) / 1e3))} s` : 'Trying…'
}

const past = () => h('div', { class: 'bar past', 'data-k': 'past' },
	h('span', {}, h('b', {}, 'You are looking at the past: ' + clock(S.at)), ', ', time(S.at, 'lost'), '. Nothing here is live.'),
	h('span', { class: 'sp' }), h('a', { class: 'btn', href: link({ ...S, at: 0 }) }, 'Back to now'))

// inOrder keeps the causes where they are while the pointer or the focus is among them.
let order = []
function inOrder(main, causes) {
	const place = c => (order.includes(c.id) ? order.indexOf(c.id) : order.length)
	const list = main.querySelector('.cause:hover, .cause:focus-within') ? causes.toSorted((a, b) => place(a) - place(b)) : causes
	order = list.map(c => c.id)
	return list
}

// inputs sets what inputs show, unless somebody is typing: their attributes are only the first value.
function inputs(main) {
	for (const e of main.querySelectorAll('input, select')) {
		if (e == document.activeElement && e.type != 'range') continue
		const value = e.nodeName == 'SELECT' ? (e.querySelector('[selected]') || e.options[0]).value : e.getAttribute('value') || ''
		if (e.value != value) e.value = value
	}
}

function drawNothing(main) {
	const failure = F.problem
	document.title = 'Coppice'
	show($('#title'), h('span', {}, 'Coppice'))
	for (const part of ['#views', '#connection', '#bars']) show($(part))
	const status = failure ? failure.status : 0
	show(main, status == 401 || status == 403 ? empty('You may not see this tree', failure.message || 'The server refused.',
		'Without Allow it answers only a browser on the same machine, by the name localhost, and never through a proxy. To come from another machine, forward the port:',
		h('pre', { class: 'stack' }, `ssh -L ${location.port || 80}:localhost:${location.port || 80} HOST`),
		'To admit others, set Allow in observer.Spec.')
		: status ? empty('This cannot be shown', failure.message || `The server answered ${status}.`,
			h('p', { class: 'row' }, h('button', { 'data-do': 'retry' }, 'Try again'), h('a', { class: 'btn', href: '#/overview' }, 'Overview of now'),
				F.retry ? h('span', { class: 'mut', id: 'retry' }) : null))
			: empty('Connecting…', 'Asking for the tree. If this lasts, the process is busy, stopped, or out of reach.',
				h('p', { class: 'row' }, h('span', { class: 'mut', id: 'retry' }), h('button', { 'data-do': 'retry' }, 'Try now'))))
	foot()
}

const foot = head => show($('#foot'), head ? h('p', { class: 'hk' },
	L.singleKeys ? [h('kbd', {}, '?'), ' keys · '] : null, head.may.length ? null : 'read-only · ', 'times are the server\'s, ' + zoneName() + ' · ',
	h('a', { href: 'tree.txt' }, 'as text'), ' · ',
	h('button', { class: 'lk', 'data-do': 'keys' }, L.singleKeys ? 'Turn single keys off' : 'Turn single keys on')) : null)

// tell speaks to screen readers: changes of the state and results of actions, and nothing else.
export function tell(text) {
	$('#live').textContent = ''
	setTimeout(() => ($('#live').textContent = visible(text)), 60)
}
