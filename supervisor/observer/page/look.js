// What a child looks like: one symbol, one word and one colour for each condition. The names are those of the server's
// field "look".
import { h } from './dom.js'

// Each has its word, its colour, and its place in counts: trouble first.
export const looks = {
	gaveup: ['gave up', 'bad'],
	hung: ['hung', 'bad'],
	waiting: ['waiting to restart', 'warn'],
	unready: ['not ready', 'warn'],
	abandoned: ['run abandoned', 'warn'],
	degraded: ['degraded', 'warn'],
	mixed: ['trouble below', 'warn'],
	starting: ['starting', 'info'],
	stopping: ['stopping', 'info'],
	suspended: ['suspended', 'info'],
	stopped: ['stopped', 'mut'],
	pending: ['not started yet', 'mut'],
	done: ['done', 'mut'],
	standby: ['standing by', 'ok'],
	running: ['running', 'ok'],
	error: ['error', 'bad'],
	operator: ['operator', 'info'],
}

// A supervisor that is well itself has trouble below it.
export const look = node => (node.tr && ['running', 'degraded'].includes(node.look) ? 'mixed' : looks[node.look] ? node.look : 'running')

export const wordOf = name => (looks[name] || [name])[0]
export const toneOf = name => (looks[name] || ['', 'mut'])[1]

// symbol is the picture of a look. It is silent for a screen reader if the word stands beside it.
export const symbol = (name, silent) =>
	h('svg', { class: 'i ' + toneOf(name), ...(silent ? { 'aria-hidden': 'true' } : { role: 'img', 'aria-label': wordOf(name) }) },
		h('use', { href: '#y-' + (looks[name] ? name : 'running') }))

// verdicts are the states of a tree: word, look, colour, and mark in the title of the window.
export const verdicts = {
	well: ['Well', 'running', 'ok', ''],
	starting: ['Starting', 'starting', 'info', ''],
	degraded: ['Degraded', 'mixed', 'warn', '\u25b2 '],
	stopping: ['Stopping', 'stopping', 'info', ''],
	down: ['Down', 'gaveup', 'bad', '\u2716 '],
}

// kinds are the looks of the events.
export const kinds = {
	starting: 'starting', ready: 'running', up: 'running', failed: 'error', error: 'error', 'late-exit': 'done',
	restarting: 'waiting', completed: 'done', stopping: 'stopping', stopped: 'stopped', removed: 'stopped', over: 'stopped',
	'gave-up': 'gaveup', hung: 'hung', abandoned: 'abandoned', unready: 'unready', 'slow-start': 'starting',
	suspended: 'suspended', resumed: 'running', request: 'operator', applying: 'operator', applied: 'operator', draining: 'stopping', closing: 'stopping', status: 'running',
}

export const number = new Intl.NumberFormat('en').format

export const base = path => path.slice(path.lastIndexOf('/') + 1)

// count is such as "1 child" or "4,000 children".
export const count = (n, one, many) => number(n) + ' ' + (n == 1 ? one : many)

// empty is what a view shows that has nothing to show.
export const empty = (title, ...rest) =>
	h('div', { class: 'empty' }, h('p', { class: 'h' }, title), ...rest.map(x => (typeof x == 'string' ? h('p', {}, x) : x)))

// marked shows a text of which ‹…› stands for what differs.
export const marked = text => text.split(/(‹[^›]*›)/).map((part, i) => (i % 2 ? h('i', {}, part) : part))

// bars are counts in time, as a picture that stretches. Height is the height of a count, of 30.
export function bars(counts, tone, label, height, cursor) {
	const width = 10 * counts.length
	const bar = (n, i) => (n ? `M${i * 10 + 1} 33v${(-Math.max(3, Math.min(30, height(n)))).toFixed(1)}h8V33z` : '')
	return h('svg', { class: 'spark ' + tone, viewBox: `0 0 ${width} 34`, preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
		h('line', { x1: 0, x2: width, y1: 33.5, y2: 33.5 }),
		h('path', { d: counts.map(bar).join('') }),
		cursor == null ? null : h('path', { class: 'cur', d: `M${(cursor * width).toFixed(1)} 0V34` }))
}
