// The style sheets, the script and the picture of our pages: read once, sent from memory.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Page } from '../shared.js'

/** The page that sends one file of src/dashboard/assets. */
export function asset(name: string, contentType: string): Page {
  const content = readFileSync(new URL(`../assets/${name}`, import.meta.url))
  const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
  return (request, response) => {
    // Kept by browsers, but asked about each time: a new version shows at once.
    response.setHeader('Cache-Control', 'no-cache')
    response.setHeader('ETag', etag)
    if (request.headers['if-none-match'] === etag) response.status(304).end()
    else response.type(contentType).send(content)
  }
}
