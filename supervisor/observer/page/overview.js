// The first view: is it well, why not, what comes next, what can be done. Its sentences come from the server.
import { h } from './dom.js'
import { clock, duration, live, time } from './clock.js'
import { S, M, link, toChild } from './state.js'
import { bars, base, count, empty, looks, marked, number, symbol, toneOf, verdicts, wordOf } from './look.js'

const child = (path, text) => h('a', { href: toChild(path), class: 'm' }, text || path)

const pairs = list => list.filter(([, text]) => text).map(([term, text]) => [h('dt', {}, term), h('dd', {}, text)])

const bytes = n => {
	const unit = n < 1e6 ? ['kB', 1e3] : n < 1e9 ? ['MB', 1e6] : ['GB', 1e9]
	return (n / unit[1]).toPrecision(n / unit[1] < 10 ? 2 : 3) + ' ' + unit[0]
}

export function overview() {
	const head = M.head
	if (!head.children) return [verdict(head), facts(head), empty('No children yet', 'This tree has no children. They appear here as soon as one is added.')]
	return [verdict(head), facts(head), h('div', { class: 'two' }, causes(head), h('aside', { 'aria-label': 'Counts, and what recovered' }, census(head), recovered(head)))]
}

// verdict answers by the cause that most children share. What ends the process soonest may be another one.
function verdict(head) {
	const [word, picture] = verdicts[head.state] || verdicts.degraded
	const most = head.causes.reduce((found, c) => (found && found.n >= c.n ? found : c), null)
	const ending = head.causes.find(c => c.deadline)
	return h('section', { class: 'verdict ' + head.state, 'aria-label': 'Is it well' },
		h('p', { class: 'big' }, symbol(picture, true), word,
			head.since ? h('small', {}, 'since ' + clock(head.since) + ', ', time(head.since, 'exact')) : null),
		!most || head.state == 'well' ? h('p', { class: 'mut' }, head.say) : h('dl', { class: 'ans' }, [
			['Why', why(most)],
			['What it does about it', most.doing],
			['What comes next', [most == ending ? null : most.next, worst(head.worst)]],
			['What you can do', sentences(most.safe, ending && ending.safe) || unknown(head, most)],
		].map(([question, answer]) => h('div', {}, h('dt', {}, question), h('dd', {}, answer)))))
}

const sentences = (...list) => [...new Set(list.filter(Boolean))].join(' ')

// unknown is said where no advice follows from the tree.
const unknown = (head, c) => ['The tree does not show what would help. Look at the error',
	head.may.length ? [', or at ', child(c.path, 'what you can do with ' + base(c.path))] : null, '.']

const why = c => [
	c.n > 1 ? number(c.n) + ' children fail alike: ' : [child(c.path), ': '],
	h('span', { class: 'm' }, marked(c.text)),
	c.n > 1 ? ['. The first was ', child(c.path), '.'] : '.',
]

const worst = w => w && [' ', h('b', {}, w.text), ' ', child(w.path, 'Look at ' + base(w.path)), '.']

const facts = head => h('p', { class: 'facts' }, [
	['up', head.started && duration((S.at || live()) - head.started)], ['version', head.version], ['', head.go], ['goroutines', number(head.goroutines)],
	['heap', bytes(head.heap)], ['children', number(head.children)], ['host', head.host],
].filter(([, value]) => value).map(([name, value]) => h('span', {}, name && name + ' ', h('b', {}, value))),
	head.before ? h('span', { class: 'before' }, head.before) : null)

const causes = head => h('section', { 'aria-labelledby': 'causes' },
	h('h2', { id: 'causes', class: 'hc' },
		h('span', {}, 'Causes now ', head.causes.length ? h('b', {}, head.causes.length + head.more_causes) : null,
			head.more_causes ? `, of which ${head.causes.length} are shown` : null),
		head.causes.length ? [h('span', { class: 'hk' }, 'Last hour'), h('span', {}, 'Children')] : null),
	head.causes.length ? M.causes.map(cause) : h('p', { class: 'mut' }, 'Nothing fails.'))

function cause(c) {
	const tone = toneOf(c.look)
	const most = Math.sqrt(Math.max(1, ...c.trend))
	return h('details', { class: 'cause', 'data-k': 'cause ' + c.id },
		h('summary', {},
			h('span', { class: 'tw2' }),
			symbol(c.look),
			h('span', { class: 'ct' },
				h('span', { class: 't' }, marked(c.text)),
				h('span', { class: 'me' }, c.path, c.also && ' and ' + c.also),
				h('span', { class: 'me' }, 'since ' + clock(c.first) + ', last ', time(c.last, 'ago')),
				c.deadline ? h('span', { class: 'dl' }, symbol('hung', true), ' ', c.deadline) : null),
			bars(c.trend, tone, 'failures in the last hour, by minute', n => (Math.sqrt(n) / most) * 30),
			h('span', { class: 'n ' + tone }, number(c.n), h('small', {}, c.seen == 1 ? 'once' : number(c.seen) + ' times'))),
		h('div', { class: 'more' },
			h('dl', { class: 'kv' }, pairs([['Does', c.doing], ['Next', c.next], ['You can', c.safe],
				['Grouped as', c.masked && h('span', { class: 'm' }, marked(c.masked))]])),
			h('ul', { class: 'ex' }, c.ex.map(path => h('li', {}, child(path)))),
			h('div', { class: 'row' },
				c.n > c.ex.length ? h('a', { class: 'btn', href: link({ view: 'tree', mask: c.id }) }, 'Show all ' + number(c.n)) : null,
				c.first > M.head.ring.from ? h('a', { class: 'btn', href: link({ view: 'time', at: c.first }) }, 'The tree when it began') : null)))
}

function census(head) {
	const present = Object.keys({ ...looks, ...head.counts }).filter(k => head.counts[k])
	return h('section', {}, h('h2', {}, 'By state'),
		h('div', { class: 'census', 'aria-hidden': 'true' },
			present.toReversed().map(k => h('span', { class: toneOf(k), '-flex': head.counts[k] + ' 1 0', title: wordOf(k) }))),
		h('div', { class: 'leg' }, present.map(k =>
			h('a', { href: link({ view: 'tree', state: k }) }, symbol(k, true), wordOf(k), h('b', {}, number(head.counts[k]))))))
}

const recovered = head => h('section', { class: 'rec' }, h('h2', {}, 'Recovered in the last hour'),
	head.recovered.length ? h('ul', {}, head.recovered.slice(0, 8).map(r => h('li', {},
		h('div', {}, symbol('running', true), ' ', child(r.path), r.paths > 1 ? ` and ${number(r.paths - 1)} more` : null),
		h('div', { class: 'm mut' }, marked(r.text)),
		h('div', { class: 'mut' }, r.down < 1e8 ? 'down for a moment' : 'down ' + duration(r.down / 1e6), r.n ? ', ' + count(r.n, 'failure', 'failures') : '',
			r.with && ', with ' + r.with, '; well for ', time(r.at))))) : h('p', { class: 'mut' }, 'None.'))
