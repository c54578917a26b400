// The server's clock and its time zone, and durations in words. The clock of the browser only measures how long ago the
// server answered.
import { h } from './dom.js'

let served = 0 // the server's time in its last answer
let heard = 0 // when that answer came, on the browser's monotonic clock
let zone = 0 // offset of the server's time zone in milliseconds
let moment = 0 // the moment of the past that is shown; 0 is now
let stopped = false

// sync sets the clock by an answer of the server: a time in milliseconds, as text with its offset.
export function sync(text) {
	const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(text) || [0, '+', 0, 0]
	zone = (sign == '-' ? -6e4 : 6e4) * (60 * hours + +minutes)
	served = Date.parse(text)
	heard = performance.now()
}

// hold stops the clock at the last answer, while the connection is lost.
export const hold = on => (stopped = on)

// pin fixes the moment from which ages and countdowns are counted.
export const pin = at => (moment = at)

export const live = () => served + performance.now() - heard
export const now = () => moment || (stopped ? served : live())

const two = n => String(n).padStart(2, '0')
const days = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'short', timeZone: 'UTC' })

// zoneName is such as "UTC" or "UTC+05:30".
export function zoneName() {
	const m = Math.abs(zone) / 6e4
	return 'UTC' + (m ? (zone < 0 ? '-' : '+') + two(Math.floor(m / 60)) + ':' + two(m % 60) : '')
}

// clock is a time of day, with the date if it is not from the last 20 hours.
export function clock(t) {
	const d = new Date(t + zone)
	const date = Math.abs(live() - t) > 72e6 ? days.format(d) + ' ' : ''
	return date + two(d.getUTCHours()) + ':' + two(d.getUTCMinutes()) + ':' + two(d.getUTCSeconds())
}

// duration is such as "3.2 s", "14 s", "22 min" or "6 d 4 h". Exact has seconds up to an hour, and no tenths.
export function duration(ms, exact) {
	let s = Math.max(0, ms) / 1e3
	if (s < 9.95 && !exact) return s.toFixed(1) + ' s'
	s = Math.floor(s)
	const m = Math.floor(s / 60)
	const hours = Math.floor(m / 60)
	if (s < 60) return s + ' s'
	if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`
	if (hours) return `${hours} h ${m % 60} min`
	return m < 10 || exact ? `${m} min ${s % 60} s` : `${m} min`
}

const forms = {
	age: t => duration(now() - t, now() - t < 9e3),
	exact: t => duration(now() - t, true),
	ago: t => (now() - t < 1500 ? 'just now' : duration(now() - t, true) + ' ago'),
	lost: t => duration(live() - t, true) + ' ago',
	later: t => (t <= now() ? 'now' : duration(t - now(), t - now() > 1e4)), // the end of a span of "left"
	left: t => (t <= now() ? 'now' : 'in ' + duration(t - now(), t - now() > 1e4)),
}

// time is an element that runs: see tick.
export const time = (t, form = 'age') => h('time', { 'data-t': t, 'data-f': form, title: clock(t) }, forms[form](t))

// tick brings all running times up to date. Only their texts change.
export function tick() {
	for (const e of document.querySelectorAll('time[data-t]')) {
		const text = forms[e.dataset.f](+e.dataset.t)
		if (e.textContent != text) e.textContent = text
	}
}
