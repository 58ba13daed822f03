// The frame that every page of ours stands in: head, header with links and sign-out, and what goes inside it.
import { type Html, html } from './html.js'
import type { Problem } from './problems.js'
import { BOARD_PATH, type Visit } from './visit.js'

export interface PageParts {
  readonly title: string
  /** Which link of the header is the page's own. */
  readonly current?: 'overview' | undefined
  /** Where the page's data comes from, beside the links. */
  readonly source?: Html | undefined
  /** True: assets/live.js keeps `main` current. */
  readonly isLive?: boolean | undefined
  readonly main: Html
}

export function page(visit: Visit, { title, current, source, isLive, main }: PageParts): Html {
  const { base } = visit
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>${title} · Drover</title>
<link rel="icon" type="image/svg+xml" href="${base}/assets/drover.svg">
<link rel="stylesheet" href="${base}/assets/page.css">
<link rel="stylesheet" href="${base}/assets/tables.css">
${isLive && html`<script type="module" src="${base}/assets/live.js"></script>`}
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
<header class="top">
${brand(base)}
${
  visit.access !== 'none' &&
  html`<nav aria-label="Pages">
<a href="${base}/"${current === 'overview' && html` aria-current="page"`}>Overview</a>
<a href="${base}${BOARD_PATH}">Queues</a>
</nav>`
}
<div class="source">${source}</div>
${isLive && html`<span class="live" id="live" role="status"><a href="">Reload</a> to refresh</span>`}
${
  visit.access === 'signed in' &&
  html`<form method="post" action="${base}/sign-out"><button type="submit">Sign out</button></form>`
}
</header>
<main id="main"${current && html` data-page="${current}"`}>${main}</main>
</body>
</html>
`
}

function brand(base: string): Html {
  return html`<a class="brand" href="${base}/"><img src="${base}/assets/drover.svg" alt="" width="22" height="22">Drover</a>`
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
