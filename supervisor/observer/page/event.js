// One event: what happened, where, why, and which event led to it.
import { h } from './dom.js'
import { clock, duration, live } from './clock.js'
import { S, L, toChild } from './state.js'
import { count, kinds, number, symbol } from './look.js'

// eventRow is one event, or several alike in a row. In the view of a child, own is the path that need not be repeated.
export function eventRow(e, own) {
	const fresh = !S.at && live() - e.time < 3e3
	const missed = L.missed && e.seq > L.missed.after && e.seq <= L.missed.until
	return h('div', { class: 'ev' + (fresh ? ' fresh' : '') + (missed ? ' missed' : ''), id: own ? null : 'e' + e.seq, 'data-n': e.n || 1, 'data-k': 'e' + e.seq + (own ? 'o' : '') },
		h('span', { class: 'm mut' }, clock(e.time), own ? '' : h('span', { class: 'ms' }, '.' + String(Math.floor(e.time % 1e3)).padStart(3, '0'))),
		symbol(kinds[e.event] || 'running', true),
		h('b', {}, e.event, own && e.n > 1 ? ' × ' + number(e.n) : ''),
		h('div', { class: 'pa' }, e.path == own ? null : h('a', { class: 'm', href: toChild(e.path) }, e.path), e.n > 1 ? h('b', {},
			e.paths > 1 ? ` and ${number(e.paths - 1)} more` : '', `, ${number(e.n)} times in ${duration((e.time_to || e.time) - e.time)}`) : null),
		h('div', { class: 'tx' },
			e.err ? h('div', { class: 'm' }, e.err) : null,
			e.text ? h('div', {}, e.text) : null,
			h('div', { class: 'x mut' },
				missed ? h('b', {}, 'missed') : null,
				e.delay ? h('span', {}, 'pause ' + e.delay.replace(/(\.\d)\d+/, '$1')) : null,
				reason(e),
				e.lost ? h('span', { class: 'warn' }, count(e.lost, 'event', 'events') + ' before it were lost') : null,
				h('span', {}, '#' + number(e.seq)),
				e.because ? h('a', { href: '#e' + e.because, 'data-do': 'event', 'data-a': e.because }, 'because of #' + number(e.because)) : null)))
}

const reasons = { none: '', failed: '', completed: '', boot: 'with its supervisor', group: 'together with', 'gave-up': 'gave up:' }

function reason(e) {
	const word = e.reason in reasons ? reasons[e.reason] : e.reason
	if (!word) return e.by ? h('span', {}, 'by ' + e.by) : null
	return h('span', {}, word, e.by ? (e.reason in reasons ? ' ' : ' by ') + e.by : '')
}
