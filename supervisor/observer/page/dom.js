// Elements from plain values, and the smallest change from what is shown to what should be shown.

export const $ = selector => document.querySelector(selector)

// visible writes control and format characters as escapes, such as \u202e, which would turn the rest of a line around.
// Line breaks, tabs and the joiners of scripts and emoji stay.
export const visible = text =>
	String(text).replace(/(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}]/gu, c => '\\u' + c.codePointAt(0).toString(16).padStart(4, '0'))

// h makes an element. Every text becomes a text node, so nothing that a program says is markup. The attribute '-name'
// sets a style property: the content security policy forbids style attributes.
export function h(tag, attributes, ...children) {
	const svg = /^(svg|use|path|line)$/.test(tag)
	const e = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag)
	for (const [name, value] of Object.entries(attributes || {})) {
		const aria = name.startsWith('aria-')
		if (value == null || (value === false && !aria)) continue
		if (name[0] == '-') e.style.setProperty(name[1] == '-' ? name : name.slice(1), value)
		else e.setAttribute(name, value === true && !aria ? '' : value)
	}
	e.append(...children.flat(9).filter(x => x != null && x !== false && x !== '').map(x => (x.nodeType ? x : visible(x))))
	return e
}

const key = node => (node.dataset && node.dataset.k) || node.id || ''

// show makes the children of element those of the list, and keeps each node that stays: focus, selection, open
// details and scroll positions survive. Nodes with the same data-k are the same node.
export function show(element, ...list) {
	children(element, h('div', {}, ...list))
}

function children(old, fresh) {
	const keyed = {}
	const stay = new Set([...fresh.children].map(key))
	for (const c of [...old.children]) { // first of all, so that those that stay are not moved: a moved node loses a click
		if (key(c) && !stay.has(key(c))) c.remove()
		else if (key(c)) keyed[key(c)] = c
	}
	let at = old.firstChild
	for (const f of [...fresh.childNodes]) {
		const k = key(f)
		const same = k ? keyed[k] : at && !key(at) && at.nodeName == f.nodeName ? at : null
		if (!same) {
			old.insertBefore(f, at)
			continue
		}
		if (same == at) at = at.nextSibling
		else old.insertBefore(same, at)
		morph(same, f)
	}
	while (at) {
		const next = at.nextSibling
		at.remove()
		at = next
	}
}

function morph(old, fresh) {
	if (old.isEqualNode(fresh)) return
	if (old.nodeName != fresh.nodeName) return old.replaceWith(fresh)
	if (old.nodeType == Node.TEXT_NODE) {
		old.data = fresh.data
		return
	}
	for (const { name } of [...old.attributes]) if (name != 'open' && !fresh.hasAttribute(name)) old.removeAttribute(name)
	for (const { name, value } of fresh.attributes) {
		if (name == 'style') old.style.cssText = fresh.style.cssText
		else if (name != 'open' && old.getAttribute(name) != value) old.setAttribute(name, value)
	}
	children(old, fresh)
}
