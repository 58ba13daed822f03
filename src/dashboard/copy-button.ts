// A button that copies the text of the element of that id, which assets/live.js does; without scripts it is not there.
import { type Html, html } from './html.js'
import { showText } from './show.js'

const MAX_COMMAND_LENGTH = 1_000

export function copyButton(id: string): Html {
  return html`<button type="button" class="small" data-copy="${id}" hidden>Copy</button>`
}

/** A command line with its button; without one where what is shown is not all of it, character by character. */
export function copyableCommand(id: string, command: string): Html {
  const shown = showText(command, MAX_COMMAND_LENGTH)
  return html`<code class="command" id="${id}">${shown}</code> ${shown === command && copyButton(id)}`
}
