// The tree: rows in start order, with folds in place of many children that are alike. With a filter, a list.
import { h } from './dom.js'
import { now, time } from './clock.js'
import { S, M, L } from './state.js'
import { count, empty, look, looks, marked, number, symbol, toneOf, wordOf } from './look.js'
import { detail } from './child.js'

const rowsAtOnce = 200 // of one branch

export const filtered = () => Boolean(S.filter || S.state || S.mask)

const opened = node => L.open[node.path] ?? (node.path.lastIndexOf('/') == 0 || Boolean(node.tr && (node.paged || node.all < 21)))

export const foldKey = (path, fold) => [path, fold.look, fold.mask || ''].join('|')

// openFolds lists the folds that are open: their keys, and the parameters for their rows.
export function openFolds(node, list = []) {
	if (node && node.supervisor && opened(node)) {
		for (const fold of node.folds || []) {
			const key = foldKey(node.path, fold)
			if (L.open[key]) list.push([key, { path: node.path, state: fold.look, mask: fold.mask }])
		}
		for (const child of node.children || []) openFolds(child, list)
	}
	return list
}

// rows appends the rows of a node and of what is open below it.
export function rows(node, depth, out, troubleOnly) {
	if (troubleOnly && !node.trouble && !node.tr) return out
	out.push(row(node, { depth }))
	if (!node.supervisor || !opened(node)) return out
	const children = (node.children || []).filter(c => !troubleOnly || c.trouble || c.tr)
	const most = L.rows[node.path] || rowsAtOnce
	for (const child of children.slice(0, most)) rows(child, depth + 1, out, troubleOnly)
	if (children.length > most) {
		out.push(pager(node.path + '|more', [
			h('button', { 'data-do': 'rows', 'data-a': node.path }, `Show ${rowsAtOnce} more`),
			h('span', { class: 'mut' }, `${number(children.length - most)} more are in ${node.name}. Search finds all of them.`)]))
	}
	for (const fold of node.folds || []) if (!troubleOnly || fold.trouble) foldRows(node.path, fold, depth + 1, out)
	return out
}

function foldRows(path, fold, depth, out) {
	const key = foldKey(path, fold)
	const open = Boolean(L.open[key])
	const { min, max } = fold.restarts || {}
	out.push(h('div', { class: 'tr fold', role: 'row', tabindex: -1, 'data-k': key, 'data-do': 'fold', 'data-a': key,
		'aria-level': depth + 1, 'aria-expanded': open, '--d': depth },
		h('div', { class: 'nm', role: 'gridcell' }, h('span', { class: 'tw' }), symbol(fold.look), h('b', {}, fold.n === 1 ? '1 child' : number(fold.n) + ' alike')),
		h('div', { class: 'wh', role: 'gridcell' },
			fold.text ? h('span', { class: 'm ' + toneOf(fold.look) }, marked(fold.text)) : wordOf(fold.look)),
		h('div', { class: 'num', role: 'gridcell' }, span(fold.since, 'age')),
		h('div', { class: 'num', role: 'gridcell' }, max ? (min == max ? number(max) : `${number(min)} to ${number(max)}`) : ''),
		h('div', { class: 'num nx warn', role: 'gridcell' }, fold.next ? span({ from: fold.next.to, to: fold.next.from }, 'left') : '')))
	if (!open || !M.folds[key]) return
	for (const node of M.folds[key].children) out.push(row(node, { depth: depth + 1, same: fold.text, flat: true }))
	pages(key, M.folds[key], out)
}

// span is such as "0.4 s to 30 s": the least first.
const span = (range, form) => !range || !range.to ? '' :
	Math.abs(range.to - range.from) < 1e3 || (form == 'left' && range.from <= now()) ? time(range.to, form) : [time(range.to, form), ' to ', time(range.from, form.replace('left', 'later'))]

const pager = (key, cells) => h('div', { class: 'pager', 'data-k': key, role: 'row' }, h('div', { role: 'gridcell', class: 'row' }, cells))

// pages appends the buttons of a list that has more rows than are shown.
function pages(key, list, out) {
	if (list.total <= list.children.length && !list.from) return
	out.push(pager(key + '|pages', [
		h('button', { 'data-do': 'back', 'data-a': key, disabled: !list.from }, 'Back'),
		h('button', { 'data-do': 'next', 'data-a': key, disabled: !list.next }, 'Next'),
		h('span', { class: 'mut' }, `${number(list.from + 1)} to ${number(list.from + list.children.length)} of ${number(list.total)}`)]))
}

// row is one child. In a list it has its full path; in a fold it does not repeat the error that all have.
function row(node, { depth = 0, same, flat, full }) {
	const open = !flat && !full && node.supervisor && node.all ? opened(node) : null
	const recent = now() - node.since < 6e5
	return h('div', { class: 'tr', role: 'row', 'data-k': node.path, tabindex: L.row == node.path ? 0 : -1, 'data-do': 'select', 'data-a': node.path,
		'aria-level': depth + 1, 'aria-expanded': open, 'aria-selected': S.path == node.path ? 'true' : 'false', '--d': depth },
		h('div', { class: 'nm', role: 'gridcell' },
			full ? null : open === null ? h('span', { class: 'pad' }) : h('span', { class: 'tw', 'data-do': 'open', 'data-a': node.path }),
			symbol(look(node)), h('b', {}, full ? node.path : node.name),
			node.strategy ? h('span', { class: 'st' }, node.strategy) : null),
		h('div', { class: 'wh', role: 'gridcell' }, what(node, same)),
		h('div', { class: recent ? 'num' : 'num mut', role: 'gridcell' }, node.since ? time(node.since) : ''),
		h('div', { class: 'num', role: 'gridcell' }, node.restarts ? number(node.restarts) : ''),
		h('div', { class: 'num nx', role: 'gridcell' }, deadline(node)))
}

function deadline(node) {
	const at = node.next_start || node.stop_by
	if (!at) return ''
	const part = Math.max(0, Math.min(1, (now() - node.since) / Math.max(1, at - node.since)))
	return h('span', { class: 'left ' + (node.next_start ? 'warn' : 'bad'), '--p': Math.round(part * 100) + '%' },
		node.next_start ? '' : 'abandoned ', time(at, 'left'))
}

// what is what a child says, and what is wrong with it.
function what(node, same) {
	const parts = []
	const error = node.hung ? '' : node.unready || node.last_error
	const when = node.unready ? node.unready_since : node.last_error_at
	if (same && node.trouble && !node.text) return when ? ['last error ', time(when, 'ago')] : ''
	if (node.trouble > 1 && error) {
		parts.push([h('span', { class: 'm ' + (node.trouble > 2 ? 'bad' : 'warn') }, error), when ? [', ', time(when, 'ago')] : ''])
	} else if (node.hung) parts.push(h('span', { class: 'bad' }, 'missed its heartbeat'))
	else if (node.slow) parts.push(h('span', { class: 'warn' }, 'slow start: not ready yet'))
	if (node.abandoned) parts.push(h('span', { class: 'warn' }, count(node.abandoned, 'abandoned run', 'abandoned runs')))
	if (node.suspended) parts.push(h('span', { class: 'info' }, 'suspended' + (node.by ? ' by ' + node.by : '')))
	else if (node.by && node.look == 'stopped') parts.push('stopped by ' + node.by)
	if (node.all && !node.gave_up) {
		parts.push(node.tr ? [h('span', { class: 'warn' }, number(node.tr)), ` of ${number(node.all)} in trouble`] : number(node.all) + ' below, all well')
	}
	if (node.waits) parts.push(h('span', { class: 'warn' }, 'waits for ' + few(node.waits)))
	if (node.text) parts.push(node.text)
	if (!parts.length && (node.needs || node.after)) parts.push(h('span', { class: 'mut' }, edges(node)))
	if (node.guess) parts.push('inferred from later events')
	return parts.map((part, i) => [i ? '. ' : '', part])
}

// few is some names: "a, b and 7 others".
const few = names => names.slice(0, 5).join(', ') + (names.length > 5 ? ' and ' + count(names.length - 5, 'other', 'others') : '')

// edges is what a child of a Graph supervisor needs and comes after.
const edges = node => [node.needs && 'needs ' + few(node.needs), node.after && 'after ' + few(node.after)].filter(Boolean).join(', ')

export const grid = (list, label) => {
	if (list.length && !list.some(r => r.tabIndex == 0)) list[0].tabIndex = 0
	return h('div', { class: 'tree', role: 'treegrid', 'aria-label': label, 'aria-rowcount': -1 },
		h('div', { class: 'th', 'data-k': 'th', role: 'row' },
			['Child', 'What it says', 'For', 'Restarts', 'Next'].map(title => h('span', { role: 'columnheader' }, title))), list)
}

export function tree() {
	const list = []
	const head = M.head
	const known = filtered() ? M.list : head.tree
	if (!filtered()) {
		if (known) rows(head.tree, 0, list, S.trouble)
	} else if (known) {
		for (const node of M.list.children) list.push(row(node, { full: true }))
		pages('', M.list, list)
	}
	const all = h('div', {}, h('button', { 'data-do': 'clear' }, 'Show the whole tree'))
	return h('div', { class: M.child ? 'split has' : 'split' },
		h('div', { class: 'lst' }, tools(head),
			!known ? h('p', { class: 'mut' }, 'Reading the tree…') : list.length ? grid(list, 'Supervision tree')
				: empty(S.trouble && !filtered() ? 'Nothing is in trouble' : 'Nothing matches', 'Search looks at paths, errors and status texts of the whole tree.', all)),
		M.child ? h('article', { class: 'det', 'aria-label': 'Child ' + S.path }, detail(M.child)) : null)
}

const tools = head => h('search', { class: 'tools row' },
	h('label', { class: 'vh', for: 'filter' }, 'Search path, error or status text'),
	h('input', { type: 'search', id: 'filter', placeholder: 'Path, error or status text', value: S.filter, autocomplete: 'off', spellcheck: 'false' }),
	h('button', { 'aria-pressed': Boolean(S.trouble), 'data-do': 'trouble' }, symbol('mixed', true), 'Trouble only', h('b', {}, number(head.trouble))),
	h('label', { class: 'vh', for: 'state' }, 'State'),
	pick('state', S.state, [['', 'Any state'], ...Object.keys({ ...looks, ...head.counts }).filter(k => head.counts[k] || k == S.state)
		.map(k => [k, `${wordOf(k)} (${number(head.counts[k] || 0)})`])]),
	filtered() ? [
		h('label', { class: 'vh', for: 'sort' }, 'Order'),
		pick('sort', S.sort, [['', 'Start order'], ['restarts', 'Most restarts'], ['age', 'Newest state first'], ['name', 'Name']]),
		h('button', { 'data-do': 'clear' }, 'Clear'),
		h('span', { class: 'mut', role: 'status' }, M.list ? number(M.list.total) + ' found' : 'Searching…', S.mask ? ', of one cause' : ''),
	] : null)

const pick = (id, chosen, options) =>
	h('select', { id, 'data-k': id }, options.map(([value, text]) => h('option', { value, selected: value == chosen }, text)))

export const actions = {
	open(path) {
		const node = find(M.head.tree, path)
		if (node) L.open[path] = !opened(node)
	},
	fold: key => (L.open[key] = !L.open[key]),
	rows: path => (L.rows[path] = (L.rows[path] || rowsAtOnce) + rowsAtOnce),
	next(key) {
		const list = key ? M.folds[key] : M.list
		if (list && list.next) (L.pages[key] ||= ['']).push(list.next)
	},
	back: key => L.pages[key] && L.pages[key].length > 1 && L.pages[key].pop(),
}

function find(node, path) {
	if (!node || node.path == path) return node
	for (const child of node.children || []) {
		const found = find(child, path)
		if (found) return found
	}
}
