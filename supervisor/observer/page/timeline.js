// The timeline: one lane for each cause shows what came first, a slider sets the moment that all views show, and the
// events say what led to what.
import { h } from './dom.js'
import { clock } from './clock.js'
import { S, M, L, link } from './state.js'
import { bars, base, count, kinds, marked, number, symbol, toneOf } from './look.js'
import { eventRow } from './event.js'
import { grid, rows } from './tree.js'

function lane(l, cursor) {
	const tone = l.look && l.look != 'running' ? toneOf(l.look) : 'mut'
	return h('div', { class: 'lane', 'data-k': 'lane ' + (l.id || '') },
		h('div', { class: 'lb' }, l.path
			? [symbol(l.look), h('button', { class: 'lk m', 'data-do': 'below', 'data-a': l.path }, base(l.path)), h('span', { class: 'mut m lt' }, marked(l.text))]
			: h('span', { class: 'mut' }, l.text)),
		bars(l.bins, tone, l.label, n => Math.log10(1 + n) * 7.6, cursor))
}

const chips = [['', 'All kinds'], ['trouble', 'Trouble'], ['gave-up', 'Gave up'], ['hung', 'Hung'], ['failed', 'Failed'],
	['restarting', 'Restarting'], ['stopping', 'Stopping'], ['request', 'Operator']]

export function timeline() {
	if (!M.lanes || !M.events) return h('p', { class: 'mut dens' }, 'Reading the events…')
	return [slider(M.lanes), S.at ? then() : null, events(M.events)]
}

// firstMoment is the earliest one of which all is remembered.
export const firstMoment = () => Math.ceil(M.lanes.ring.from || M.lanes.to)

function slider({ lanes, from, to }) {
	const at = Math.min(to, Math.max(from, S.at || to))
	const cursor = (at - from) / Math.max(1, to - from)
	const shown = S.at ? clock(S.at) : 'now'
	return h('section', { 'aria-label': 'What began when', class: 'dens' },
		h('div', { class: 'row' }, h('h2', {}, 'The last hour: what began when'), h('span', { class: 'sp' }), h('p', { class: 'mut hk sm' }, 'events a minute, logarithmic')),
		lanes.map(l => lane(l, cursor)),
		h('div', { class: 'lane ax2' },
			h('div', { class: 'lb' }, h('label', { for: 'at' }, 'The tree as it was at ', h('b', {}, shown))),
			h('div', {},
				h('input', { type: 'range', id: 'at', 'data-k': 'at', min: from, max: to, step: 1e3, value: at, 'aria-valuetext': shown }),
				h('div', { class: 'ax', 'aria-hidden': 'true' }, [0, 0.25, 0.5, 0.75, 1].map(part => h('span', {}, clock(from + (to - from) * part).slice(-8, -3)))))),
		h('div', { class: 'row steps' },
			h('button', { 'data-do': 'step', 'data-a': 'before' }, 'Event before'),
			h('button', { 'data-do': 'step', 'data-a': 'after', disabled: !S.at }, 'Event after'),
			S.at ? h('a', { class: 'btn', href: link({ ...S, at: 0 }) }, 'Now') : h('span', { class: 'mut hk' }, `Slide or step to see the tree as it was, since ${clock(firstMoment())}.`)))
}

function then() {
	const head = M.head
	const trouble = head.trouble || (head.tree && head.tree.trouble)
	return h('section', { class: 'part' },
		h('h2', {}, 'The tree at ', h('b', {}, clock(S.at)), head.trouble ? `: ${number(head.trouble)} in trouble` : ': all well'),
		head.tree ? grid(rows(head.tree, 0, [], trouble), 'Tree at ' + clock(S.at)) : null)
}

const events = list => h('section', { 'aria-label': 'Events', class: 'part' },
	h('div', { class: 'row' },
		h('label', { class: 'vh', for: 'below' }, 'Path begins with'),
		h('input', { type: 'search', id: 'below', placeholder: 'Path begins with, as ' + M.head.path, value: S.below, autocomplete: 'off', spellcheck: 'false' }),
		h('div', { class: 'chips scr' }, chips.map(([kind, text]) =>
			h('button', { 'aria-pressed': S.kind == kind, 'data-do': 'kind', 'data-a': kind }, kinds[kind] || kind == 'request' ? symbol(kinds[kind], true) : null, text)))),
	missed(),
	list.events.length ? list.events.map(e => eventRow(e)) : h('p', { class: 'mut' }, 'No such events are remembered.'),
	list.more ? h('p', { class: 'row' }, L.count < 1000 ? h('button', { 'data-do': 'more' }, 'Show more')
		: h('span', { class: 'mut' }, 'There are older ones: narrow the path, or move the slider.')) : null,
	h('p', { class: 'mut sm' }, list.ring.kept ? `Remembered are #${number(list.ring.first)} to #${number(list.ring.last)}. Like events in a row are one line.` : '',
		list.ring.lost ? h('b', { class: 'warn' }, ' ' + count(list.ring.lost, 'event', 'events') + ' came too fast and were lost.') : null))

function missed() {
	const m = L.missed
	if (!m) return null
	const kept = m.kept == m.n ? 'all of them are' : number(m.kept) + ' of them are'
	return h('p', { class: 'bar past', 'data-k': 'missed' },
		h('span', {}, h('b', {}, 'You missed ' + count(m.n, 'event', 'events')), ` while this page ${m.why}`,
			m.from ? `, ${clock(m.from)} to ${clock(m.to)}` : '', `. They are marked below; ${kept} still remembered.`),
		h('span', { class: 'sp' }), h('button', { 'data-do': 'seen' }, 'I have seen them'))
}

