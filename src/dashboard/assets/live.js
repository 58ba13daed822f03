// Keeps an open page current without a reload: asks for the same page every two seconds and changes what is different in
// it. Pauses while the tab is hidden. Without this script the page is as good, and the person reloads it.

const REFRESH_MS = 2_000
const MAX_WAIT_MS = 10_000

const main = document.getElementById('main')
const status = document.getElementById('live')
let etag = ''
let waitMs = REFRESH_MS
let timer

say('Live')
timer = setTimeout(refresh, REFRESH_MS)
setInterval(showTimes, 1_000)
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer)
  if (document.hidden) say('Paused')
  else refresh()
})

async function refresh() {
  clearTimeout(timer)
  try {
    await fetchPage()
    waitMs = REFRESH_MS
  } catch {
    // The dashboard itself does not answer: said beside the sign-out, and tried again less and less often.
    say('No connection', 'off')
    waitMs = Math.min(MAX_WAIT_MS, waitMs * 2)
  }
  if (!document.hidden) timer = setTimeout(refresh, waitMs)
}

async function fetchPage() {
  const response = await fetch(location.href, {
    headers: { Accept: 'text/html', ...(etag && { 'If-None-Match': etag }) },
    cache: 'no-store',
    redirect: 'manual',
  })
  // The session ended: the page that the server now wants to show is the sign-in.
  if (response.type === 'opaqueredirect') return location.reload()
  if (response.status !== 304) {
    const fresh = new DOMParser().parseFromString(await response.text(), 'text/html').getElementById('main')
    // A proxy's own error page is not this page.
    if (fresh?.dataset.page !== main.dataset.page) throw new Error(`status ${response.status}`)
    // Whoever is copying something wants it to stay where it is.
    if (!getSelection().isCollapsed && main.contains(getSelection().anchorNode)) return say('Paused: text selected')
    change(main, fresh)
    etag = response.headers.get('ETag') ?? ''
  }
  if (document.hidden) return
  say(response.ok || response.status === 304 ? 'Live' : 'Redis down', response.status === 503 ? 'off' : undefined)
}

// Makes `old` equal to `fresh`, keeping every element that can stay: focus, scrolling and what is open are not lost.
function change(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name)
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  const wanted = [...fresh.childNodes]
  while (old.childNodes.length > wanted.length) old.lastChild.remove()
  wanted.forEach((node, index) => {
    const present = old.childNodes[index]
    if (present === undefined) old.append(node)
    else if (present.isEqualNode(node)) return
    else if (isSameKind(present, node)) change(present, node)
    else present.replaceWith(node)
  })
}

function isSameKind(left, right) {
  return left.nodeType === Node.ELEMENT_NODE && left.nodeName === right.nodeName && left.id === right.id
}

function showTimes() {
  for (const time of document.querySelectorAll('time[data-ago]')) {
    const text = ago(Date.now() - Date.parse(time.dateTime))
    if (time.textContent !== text) time.textContent = text
  }
}

// The words of `showAgo` in show.ts.
function ago(ms) {
  const seconds = Math.floor(ms / 1_000)
  if (seconds < 1) return 'just now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}

function say(text, state = 'on') {
  if (status.textContent !== text) status.textContent = text
  status.dataset.state = state
}
