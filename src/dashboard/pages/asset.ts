// The style sheets, scripts and the picture of our pages, and what they take from npm packages: read once, when first
// asked for, and sent from memory.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Page } from '../shared.js'

/** The page that sends one file of src/dashboard/assets. */
export function asset(name: string, contentType: string): Page {
  return sendFile(() => readFileSync(new URL(`../assets/${name}`, import.meta.url)), contentType)
}

/** The page that sends one file of an npm package. */
export function packageAsset(name: string, path: string, contentType: string): Page {
  const { resolve } = createRequire(import.meta.url)
  return sendFile(() => readFileSync(join(dirname(resolve(`${name}/package.json`)), path)), contentType)
}

function sendFile(read: () => Buffer, contentType: string): Page {
  let file: { readonly content: Buffer; readonly etag: string } | undefined
  return (request, response) => {
    file ??= withTag(read())
    const { content, etag } = file
    // Kept by browsers, but asked about each time: a new version shows at once.
    response.setHeader('Cache-Control', 'no-cache')
    response.setHeader('ETag', etag)
    if (request.headers['if-none-match'] === etag) response.status(304).end()
    else response.type(contentType).send(content)
  }
}

function withTag(content: Buffer) {
  return { content, etag: `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"` }
}
