// The frame that every page of ours stands in: head, header with links and sign-out, the help on keys, and what goes inside.
import { type Html, html } from './html.js'
import { NAVIGATION } from './navigation.js'
import type { Problem } from './problems.js'
import { showText } from './show.js'
import type { Shown } from './view.js'
import type { Visit } from './visit.js'

const MAX_NAME_LENGTH = 40

export interface PageParts extends Omit<Shown, 'status'> {
  /** True: assets/live.js keeps `main` current. */
  readonly isLive?: boolean | undefined
}

export function page(visit: Visit, { title, current, source, isLive, main }: PageParts): Html {
  const { base, person } = visit
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title} · Drover</title>
<link rel="icon" type="image/svg+xml" href="${base}/assets/drover.svg">
<link rel="stylesheet" href="${base}/assets/uplot.css">
<link rel="stylesheet" href="${base}/assets/page.css">
<link rel="stylesheet" href="${base}/assets/frame.css">
<link rel="stylesheet" href="${base}/assets/tables.css">
<link rel="stylesheet" href="${base}/assets/overview.css">
<link rel="stylesheet" href="${base}/assets/verdict.css">
<link rel="stylesheet" href="${base}/assets/jobs.css">
<link rel="stylesheet" href="${base}/assets/errors.css">
<link rel="stylesheet" href="${base}/assets/add.css">
<script type="module" src="${base}/assets/live.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
<a class="brand" href="${base}/"><img src="${base}/assets/drover.svg" alt="" width="22" height="22">Drover</a>
${
  person &&
  html`<nav aria-label="Pages">${NAVIGATION.map(
    ({ name, title, path, key }) =>
      html`<a href="${base}${path}" data-key="${key}"${name === current && html` aria-current="page"`}>${title}</a>`,
  )}</nav>`
}
<div class="source">${source}</div>
${isLive && html`<span class="live" id="live" role="status"><noscript><a href="">Reload</a> to refresh</noscript></span>`}
${person && who(visit)}
</header>
<main id="main" tabindex="-1"${current && html` data-page="${current}"`}${isLive && html` data-live`}>${main}</main>
${person && keysDialog()}
</body>
</html>
`
}

function who({ base, person, isReadOnly }: Visit): Html | undefined {
  if (person === undefined) return undefined
  const isKnown = person.by !== 'machine'
  return html`<div class="who">${
    isKnown &&
    html`<span title="your role is ${person.role}">${showText(person.name, MAX_NAME_LENGTH)} · ${person.role}</span>`
  }${isReadOnly && html`<span class="badge paused">read-only</span>`}${
    person.by === 'session' &&
    html`<form method="post" action="${base}/sign-out"><button type="submit">Sign out</button></form>`
  }</div>`
}

// Opened by assets/live.js; without scripts there are no keys either.
function keysDialog(): Html {
  return html`<dialog id="keys" aria-labelledby="keys-title">
<h2 class="title" id="keys-title">Keys</h2>
<dl>${NAVIGATION.map(({ title, key }) => html`<div><dt class="key"><kbd>g</kbd> <kbd>${key}</kbd></dt><dd>${title}</dd></div>`)}
<div><dt class="key"><kbd>/</kbd></dt><dd>Search</dd></div>
<div><dt class="key"><kbd>.</kbd></dt><dd>Reload</dd></div>
<div><dt class="key"><kbd>?</kbd></dt><dd>This help</dd></div>
</dl>
<form method="dialog"><button type="submit">Close</button></form>
</dialog>`
}

/** The page of a problem: what is wrong, and where to go on. */
export function problemPage(visit: Visit, { status, code, message }: Problem): Html {
  return page(visit, {
    title: `${status}`,
    main: html`<section class="card narrow">
<h1>${TITLES[status] ?? 'This did not work'}</h1>
<p>${message}</p>
<p class="muted">${status} ${code} · request ${visit.requestId}</p>
<p><a href="${visit.base}/">Go to the overview</a></p>
</section>`,
  })
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'This request is not usable',
  401: 'Sign in first',
  403: 'Not allowed',
  404: 'Nothing here',
  405: 'Not that way',
  413: 'Too large',
  429: 'Too many attempts',
  500: 'Something went wrong',
  503: 'Redis does not answer',
}
