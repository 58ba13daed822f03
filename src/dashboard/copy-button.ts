// A button that copies the text of the element of that id, which assets/live.js does; without scripts it is not there.
import { type Html, html } from './html.js'

export function copyButton(id: string): Html {
  return html`<button type="button" class="small" data-copy="${id}" hidden>Copy</button>`
}
