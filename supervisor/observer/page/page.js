// The page: it asks the server when something has happened, at most once a second and never in a hidden tab, and draws.
// All that it shows follows from the address (state.js) and from the last answers.
import { $ } from './dom.js'
import * as clock from './clock.js'
import { S, M, L, go, readAddress } from './state.js'
import { Stream, get } from './api.js'
import { verdicts } from './look.js'
import { F, draw, tell, tickRetry } from './frame.js'
import { firstMoment } from './timeline.js'
import { actions as treeActions, filtered, openFolds } from './tree.js'
import * as dialog from './dialog.js'
import { listenToKeys } from './keys.js'

// ---- asking

let loading = null // ends when all is read and drawn
let began = 0 // when the last load began
let again = false // load once more: the address has changed meanwhile
let happened = false // since the last load
let seen = 0 // the latest event when this page last looked
let away = '' // why the page does not know what happened since then
let tries = 0 // failures in a row
let retry = 0 // timer of the next try

function load() {
	again = Boolean(loading)
	clearTimeout(retry)
	F.retry = 0
	return (loading ||= loadNow().finally(() => (loading = null)))
}

async function loadNow() {
	let failure
	do {
		again = happened = false
		began = performance.now()
		failure = null
		await ask().catch(error => (failure = error))
	} while (again && !(failure && !failure.status)) // without an answer, asking at once does not help
	if (failure) failed(failure)
	draw()
}

async function ask() {
	const { view, at, path, trouble, sort } = S
	const withTree = (view == 'tree' && !filtered()) || (view == 'time' && at)
	const list = more => get('children.json', { at, sort, trouble: trouble && '1', ...more })
	const page = key => (L.pages[key] || []).at(-1)
	const before = M.head
	const [head, found, child, now, then] = await Promise.all([
		get(withTree ? 'tree.json' : 'causes.json', { at, seen: away && String(seen) }),
		view == 'tree' && filtered() ? list({ filter: S.filter, state: S.state, mask: S.mask, cursor: page('') }) : null,
		view == 'tree' && path ? get('child', { path, at }).catch(gone) : null,
		view == 'time' ? get('events.json', { path: S.below, kind: S.kind, n: at ? 1 : L.count }) : null,
		view == 'time' && at ? get('events.json', { path: S.below, kind: S.kind, at, n: L.count }) : null,
	])
	const folds = {}
	await Promise.all(openFolds(head.tree).map(async ([key, which]) => {
		folds[key] = await get('children.json', { at, ...which, cursor: page(key) })
	}))
	if (again) return // the address is another by now
	Object.assign(M, { head, list: found, child, lanes: now, events: then || now, folds })
	if (F.lost) tell('Connected again')
	Object.assign(F, { problem: null, lost: false })
	tries = 0
	clock.hold(false)
	if (before && before.state != head.state && !at) tell(`${head.name}: ${verdicts[head.state][0]}`)
	if (away && head.missed && head.missed.n) L.missed = { ...head.missed, why: away, after: seen, until: head.ring.last }
	away = ''
	seen = head.ring.last
	if (!stream && !document.hidden) listen()
}

function gone(failure) {
	if (failure.status == 404) return 'gone'
	throw failure
}

// failed says what went wrong. What may pass is tried again, less and less often.
function failed(failure) {
	if (failure.status == undefined) console.error(failure) // a fault of the page
	const passes = !failure.status || failure.status == 429 || failure.status >= 500
	F.problem = failure
	F.lost = passes && Boolean(M.head)
	if (!passes) return
	clock.hold(true)
	away ||= 'had no connection'
	hang()
	const wait = Math.min(15e3, 1e3 * 2 ** ++tries)
	F.retry = performance.now() + wait
	retry = setTimeout(load, wait)
}

// ---- the stream

let stream = null
let breaks = 0 // streams in a row that said nothing: the server may have too many

function listen() {
	stream = new Stream(
		() => {
			breaks = 0
			happened = true
		},
		() => {
			stream = null
			setTimeout(load, Math.min(8e3, 500 * 2 ** breaks++)) // which opens the next one
		},
	)
}

function hang() {
	if (stream) stream.close()
	stream = null
}

// ---- time

setInterval(() => {
	if (document.hidden) return
	tickRetry()
	if (stream && stream.heard && performance.now() - stream.heard > 25e3) { // the server speaks every 10 s
		hang()
		load()
	} else if (happened && M.head && !loading && !S.at && !F.lost && performance.now() - began > 950) load()
	else clock.tick()
}, 1000)

document.addEventListener('visibilitychange', () => {
	if (document.hidden) {
		away ||= 'was hidden'
		hang()
	} else load()
})

// ---- doing

let lastView, lastPath
addEventListener('hashchange', arrive)
function arrive() {
	readAddress()
	const moved = S.view != lastView
	const opened = S.path && S.path != lastPath
	clock.pin(S.at)
	if (S.path) L.row = S.path
	if (opened && lastPath != undefined) M.child = null
	if (moved) Object.assign(L, { count: 200 })
	lastView = S.view
	lastPath = S.path
	const alone = opened && innerWidth < 1181 // the list is not shown beside the child
	if (alone) L.focus = () => $('.det .hd')
	load().then(() => (moved || alone) && scrollTo(0, 0))
}

async function step(direction) {
	const which = direction == 'before' ? { at: (S.at || M.head.now) - 1 } : { since: S.at, order: 'oldest' }
	const { events } = await get('events.json', { path: S.below, kind: S.kind, fold: '0', n: 1, ...which })
	if (events.length) go({ at: Math.floor(events[0].time) }, true)
	else if (direction == 'after') go({ at: 0 }, true)
	else tell('No earlier event is remembered')
}

async function goroutines(force) {
	const path = S.path
	L.stacks[path] = 'reading'
	draw()
	L.stacks[path] = await get('goroutines', { path, force }).catch(failure => ({ error: failure.message || 'The server did not answer.' }))
	draw()
}

// toEvent goes to an event, which may be one of several in a row.
async function toEvent(seq) {
	const row = () => {
		const found = [...document.querySelectorAll('.ev[id]')].find(e => +e.id.slice(1) <= seq)
		return found && +found.id.slice(1) + +found.dataset.n > seq ? found : null
	}
	if (S.view != 'time' || !row()) {
		const { events } = await get('events.json', { because: seq })
		const event = events.find(e => e.seq == seq)
		if (!event) return tell('That event is not remembered any more')
		go({ view: 'time', below: '', path: '', kind: '', at: Math.floor(event.time) }, true)
		await load()
	}
	const e = row()
	if (!e) return tell('That event is not in this list')
	e.scrollIntoView({ block: 'center' })
	e.tabIndex = -1
	e.focus()
}

const loadAfter = action => a => {
	action(a)
	load()
}

const actions = {
	skip: () => $('main').focus(),
	open: loadAfter(treeActions.open),
	fold: loadAfter(treeActions.fold),
	next: loadAfter(treeActions.next),
	back: loadAfter(treeActions.back),
	rows: path => {
		treeActions.rows(path)
		draw()
	},
	select: path => {
		L.row = path
		go({ view: 'tree', path })
	},
	trouble: () => restart({ trouble: S.trouble ? '' : '1' }),
	clear: () => restart({ filter: '', state: '', mask: '', trouble: '', sort: '' }),
	ask: action => dialog.ask(action),
	goroutines,
	kind: kind => go({ kind }),
	below: below => go({ view: 'time', below }),
	seen: () => {
		L.missed = null
		draw()
	},
	more: loadAfter(() => (L.count += 200)),
	retry: load,
	keys: () => {
		L.singleKeys = !L.singleKeys
		remember(L.singleKeys)
		draw()
	},
	event: toEvent,
	step,
}

// remember keeps a choice in this browser, where it permits that.
function remember(singleKeys) {
	try {
		localStorage.coppiceKeys = singleKeys ? 'on' : 'off'
	} catch {} // then it holds for this visit
}

// restart changes filters, so that lists begin with their first page.
function restart(change, replace) {
	L.pages = {}
	go(change, replace)
}

document.addEventListener('click', event => {
	const element = event.target.closest('[data-do]')
	if (!element || (event.target.closest('a[href]') && !element.matches('a'))) return
	if (element.matches('.tr') && String(getSelection())) return // somebody marks a text to copy it
	if (element.matches('a')) event.preventDefault()
	actions[element.dataset.do](element.dataset.a)
})

let typing
document.addEventListener('input', ({ target: { id, value } }) => {
	clearTimeout(typing)
	if (id == 'filter' || id == 'below') typing = setTimeout(() => restart({ [id]: value }, true), 200)
	if (id == 'state' || id == 'sort') restart({ [id]: value })
	if (id == 'at') typing = setTimeout(() => go({ at: value >= M.lanes.to - 1e3 ? 0 : Math.max(+value, firstMoment()) }, true), 80)
})

try {
	L.singleKeys = localStorage.coppiceKeys != 'off'
} catch {} // storage is forbidden
dialog.listen(load, tell)
listenToKeys(actions, restart)
draw()
arrive()
