// What our pages do beyond being read: they stay current without a reload, take keys and draw charts. The server sends
// what `main` shows as server-sent events whenever it changes. Without this script the pages are as good, and are reloaded.

import { changeChildren } from './change.js'

const main = document.getElementById('main')
const status = document.getElementById('live')
let events
let triedAgainMs = 2_000

if (main.dataset.live !== undefined) {
  follow()
  document.addEventListener('visibilitychange', () => {
    // A browser opens six connections to one host at most: tabs that nobody sees must not hold them.
    if (document.hidden) {
      events?.close()
      say('Paused')
    } else follow()
  })
}
setInterval(showTimes, 1_000)
document.addEventListener('keydown', takeKey)
drawCharts()

function follow() {
  events?.close()
  events = new EventSource(location.href)
  events.onmessage = ({ data }) => {
    triedAgainMs = 2_000
    show(JSON.parse(data))
  }
  events.onerror = async () => {
    if (events.readyState !== EventSource.CLOSED) return say('No connection', 'off')
    // Refused, not cut: the session is over, or there are too many tabs. The page itself says which.
    say('No connection', 'off')
    const { type, status: answered } = await fetch(location.href, {
      headers: { Accept: 'text/html' },
      redirect: 'manual',
    }).catch(() => ({ type: 'error', status: 0 }))
    if (type === 'opaqueredirect' || answered === 401 || answered === 403) return location.reload()
    triedAgainMs = Math.min(30_000, triedAgainMs * 2)
    setTimeout(() => document.hidden || follow(), triedAgainMs)
  }
}

function show({ status: answered, html }) {
  // Whoever is copying something wants it to stay where it is, and whoever writes wants to go on.
  if (isSelecting()) {
    say('Paused: text selected')
    waiting = { status: answered, html }
    return
  }
  const fresh = document.createElement('template')
  fresh.innerHTML = html
  const notice = fresh.content.querySelector('#down')
  // While Redis is down the last numbers stay, under a notice.
  if (notice !== null && fresh.content.children.length === 1) {
    document.getElementById('down')?.remove()
    main.prepend(notice)
  } else {
    const focused = document.activeElement
    changeChildren(main, fresh.content)
    // A row that moved lost it.
    if (focused !== document.activeElement && main.contains(focused)) focused.focus({ preventScroll: true })
    drawCharts()
    showCopies()
    showTimes()
  }
  say(answered === 503 ? 'Redis down' : 'Live', answered === 503 ? 'off' : 'on')
}

// What came while text was selected is shown when it no longer is.
let waiting
document.addEventListener('selectionchange', () => {
  if (waiting === undefined || isSelecting()) return
  const event = waiting
  waiting = undefined
  show(event)
})

function isSelecting() {
  const selection = getSelection()
  return !selection.isCollapsed && main.contains(selection.anchorNode)
}

document.addEventListener('input', ({ target }) => {
  target.dataset.typed = ''
})

function showTimes() {
  for (const time of document.querySelectorAll('time[data-ago]')) {
    const ms = Date.now() - Date.parse(time.dateTime)
    const { age, next } = time.dataset
    const text = age === undefined ? ago(next === undefined ? Math.max(0, ms) : ms) : span(Math.max(0, ms))
    if (time.textContent !== text) time.textContent = text
  }
}

// The words of `showAgo`, `showNext` and `showAge` in show.ts.
function ago(ms) {
  if (ms <= -1_000) return `in ${span(-ms)}`
  return ms < 1_000 ? 'just now' : `${span(ms)} ago`
}

function span(ms) {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

function say(text, state = 'on') {
  if (status === null) return
  if (status.textContent !== text) status.textContent = text
  status.dataset.state = state
}

// Keys: `g` and a letter go to a page, `/` to the search, `?` shows them all.
let isGoing = false

function takeKey(event) {
  const { key, target } = event
  if (event.ctrlKey || event.metaKey || event.altKey || target.closest?.('input, textarea, select, dialog')) return
  const link = isGoing && document.querySelector(`nav a[data-key="${CSS.escape(key)}"]`)
  isGoing = key === 'g'
  if (link) location.assign(link.href)
  else if (key === '/') focusSearch(event)
  else if (key === '.') location.reload()
  else if (key === '?') document.getElementById('keys')?.showModal()
}

function focusSearch(event) {
  const field = main.querySelector('[data-search]')
  event.preventDefault()
  if (field !== null) field.focus()
  else document.querySelector('nav a[data-key="r"]')?.click()
}

function drawCharts() {
  if (document.querySelector('[data-chart]') !== null) import('./chart.js').then(({ drawAll }) => drawAll())
}

// Buttons that copy the text of another element; without this script they are not there.
showCopies()
document.addEventListener('click', async ({ target }) => {
  const button = target.closest?.('[data-copy]')
  if (!button) return
  const isDone = await copy(document.getElementById(button.dataset.copy))
  for (const other of document.querySelectorAll('[data-copy]')) other.textContent = 'Copy'
  button.textContent = isDone ? 'Copied' : 'Selected: copy it by hand'
})

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent)
    return true
  } catch {
    // Over plain http there is no clipboard, and a browser may refuse it: then the way of before, from a selection, which
    // stays for the person where that does not work either.
    getSelection().selectAllChildren(source)
    const isDone = document.execCommand('copy')
    if (isDone) getSelection().removeAllRanges()
    return isDone
  }
}

function showCopies() {
  for (const button of document.querySelectorAll('[data-copy]')) button.hidden = false
}
