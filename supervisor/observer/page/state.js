// What the address says: which view of which moment, with which filters. So everything that is shown can be sent to a
// colleague as a link.

// The names are those of the parameters after the #.
const names = ['path', 'filter', 'state', 'mask', 'trouble', 'sort', 'kind', 'below', 'at']

export const S = { view: 'overview' }

// M is what the server said last. Every part is null until it is known.
//   head: tree.json or causes.json; list: rows that match a filter; folds: rows of open folds, by key;
//   child: the one in the address, or 'gone'; lanes and events: the timeline; causes: those of head, as they are shown
export const M = { head: null, causes: [], list: null, folds: {}, child: null, lanes: null, events: null }

// L is what only this tab knows: which branches are open, which page of a list is shown, and so on.
//   open: by path or key of a fold; pages: cursors of the pages up to the one that is shown, by key;
//   rows, count: how many rows of a branch, and how many events, are shown; stacks: goroutines by path;
//   row: the one that Tab reaches; focus: finds what gets the focus once it is drawn
export const L = { open: {}, pages: {}, rows: {}, count: 200, stacks: {}, row: '', focus: null, missed: null, singleKeys: true }

export function readAddress() {
	const [view, query] = (location.hash.slice(2) || 'overview').split('?')
	const given = new URLSearchParams(query)
	S.view = ['overview', 'tree', 'time'].includes(view) ? view : 'overview'
	for (const name of names) S[name] = given.get(name) || ''
	S.at = Date.parse(S.at) || 0
}

// link is the address of a view of the moment that is shown. The filters are those in change, and no others.
export function link(change) {
	const { view, ...rest } = { view: S.view, at: S.at, ...change }
	const query = new URLSearchParams()
	for (const name of names) if (rest[name]) query.set(name, name == 'at' ? new Date(rest.at).toISOString() : rest[name])
	return '#/' + view + (query.size ? '?' + query : '')
}

// go changes some of what is in the address and leaves the rest. With replace it adds no entry to the history.
export function go(change, replace) {
	const address = link({ ...S, ...change })
	if (!replace) location.hash = address
	else {
		history.replaceState(null, '', address)
		dispatchEvent(new Event('hashchange'))
	}
}

// toChild is the address of a child beside the list that is shown.
export const toChild = path =>
	S.view == 'tree' ? link({ ...S, path }) : link({ view: 'tree', path })
