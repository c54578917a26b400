// The keyboard: arrows in the tree, and single keys for what is done often. They can be turned off.
import { $ } from './dom.js'
import { S, L, go } from './state.js'
import { help, isOpen } from './dialog.js'

export function listenToKeys(actions, restart) {
	const single = {
		1: () => go({ view: 'overview', path: '' }),
		2: () => go({ view: 'tree' }),
		3: () => go({ view: 'time', path: '' }),
		'/': search,
		t: () => restart({ view: 'tree', trouble: S.trouble ? '' : '1' }),
		n: () => hop(1),
		p: () => hop(-1),
		'?': help,
	}
	document.addEventListener('keydown', event => {
		if (event.ctrlKey || event.metaKey || event.altKey || isOpen()) return
		if (event.target.matches('input, select, textarea')) {
			if (event.key == 'Escape') event.target.blur()
			return
		}
		const row = event.target.closest('.tr')
		const key = (row && inTree(row, actions)[event.key]) || (event.key == 'Escape' && S.path && leave) || (L.singleKeys && single[event.key])
		if (!key) return
		event.preventDefault()
		key()
	})
}

const all = () => [...document.querySelectorAll('.tr')]

function focus(row) {
	if (!row) return
	for (const other of document.querySelectorAll('.tr[tabindex="0"]')) other.tabIndex = -1
	row.tabIndex = 0
	L.row = row.dataset.k
	row.focus()
}

function inTree(row, actions) {
	const list = all()
	const i = list.indexOf(row)
	const level = +row.getAttribute('aria-level')
	const expanded = row.getAttribute('aria-expanded')
	const act = () => actions[row.dataset.do](row.dataset.a)
	const toggle = () => actions[row.dataset.do == 'fold' ? 'fold' : 'open'](row.dataset.a)
	return {
		ArrowDown: () => focus(list[i + 1]),
		ArrowUp: () => focus(list[i - 1]),
		Home: () => focus(list[0]),
		End: () => focus(list.at(-1)),
		ArrowRight: () => (expanded == 'false' ? toggle() : focus(list[i + 1])),
		ArrowLeft: () => (expanded == 'true' ? toggle() : focus(list.slice(0, i).findLast(r => +r.getAttribute('aria-level') < level))),
		Enter: act,
		' ': act,
	}
}

// leave goes back from a child to its row.
function leave() {
	const path = S.path
	L.focus = () => all().find(r => r.dataset.k == path)
	go({ path: '' })
}

function search() {
	const field = () => $('#filter')
	if (S.view == 'tree' && field()) return field().focus()
	L.focus = field
	go({ view: 'tree' }, true)
}

// hop goes to the next or previous row that is in trouble.
function hop(direction) {
	const list = all()
	const i = list.indexOf(document.activeElement)
	const trouble = list.filter(row => row.querySelector('.i.warn, .i.bad'))
	focus(direction > 0 ? trouble.find(row => list.indexOf(row) > i) : trouble.findLast(row => list.indexOf(row) < i))
}
