// Makes what a page shows equal to what the server sent, keeping every element that can stay: focus, scrolling and what is
// open are not lost. Rows of a table stay the rows of their job, queue or worker when others come and go above them.

export function changeChildren(old, fresh) {
  if (old.nodeName === 'TBODY' && changeRows(old, fresh)) return
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

function change(old, fresh) {
  const isOpened = old.nodeName === 'DETAILS' && old.open
  const isSameCopy = old.dataset.copy !== undefined && old.dataset.copy === fresh.dataset.copy
  const isTyped = old.matches('input, textarea, select') && old.dataset.typed !== undefined
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && name !== 'data-typed' && !(isOpened && name === 'open')) old.removeAttribute(name)
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  // What somebody is typing is theirs, a chart is drawn by itself, and a button says what it has copied.
  const isOurs = old.dataset.chart !== undefined || isSameCopy
  if (!isTyped && !isOurs) changeChildren(old, fresh)
}

function isSameKind(left, right) {
  return left.nodeType === Node.ELEMENT_NODE && left.nodeName === right.nodeName && left.id === right.id
}

// False where a row has no name of its own in the table: then each row is that of its place.
function changeRows(old, fresh) {
  const present = namedRows(old)
  const wanted = namedRows(fresh)
  if (present === undefined || wanted === undefined) return false
  for (const [name, row] of present) if (!wanted.has(name)) row.remove()
  for (const node of [...old.childNodes]) if (node.nodeName !== 'TR') node.remove()
  let place = old.firstChild
  for (const [name, row] of wanted) {
    const known = present.get(name)
    if (known === undefined) old.insertBefore(row, place)
    else {
      if (known === place) place = place.nextSibling
      else old.insertBefore(known, place)
      if (!known.isEqualNode(row)) change(known, row)
    }
  }
  return true
}

// The rows by what their heads lead to or say.
function namedRows(body) {
  const rows = new Map()
  for (const row of body.children) {
    const head = row.querySelector('th')
    const name =
      head?.querySelector('a')?.getAttribute('href') ??
      head?.querySelector('time')?.getAttribute('datetime') ??
      head?.textContent
    if (!name || rows.has(name)) return undefined
    rows.set(name, row)
  }
  return rows
}
