import { describe, expect, it } from 'vitest'
import { type HtmlValue, html } from '../../../src/dashboard/html.js'

describe('html', () => {
  it('escapes text, also inside an attribute', () => {
    const evil = `<img src=x onerror="alert('1')"> & more`
    const shown = '&lt;img src=x onerror=&quot;alert(&#39;1&#39;)&quot;&gt; &amp; more'
    expect(String(html`<p title="${evil}">${evil}</p>`)).toBe(`<p title="${shown}">${shown}</p>`)
  })

  it('takes markup of its own as it is, alone and in lists', () => {
    const items = ['<a>', 'b'].map((name) => html`<li>${name}</li>`)
    expect(String(html`<ul>${items}</ul>${html`<hr>`}`)).toBe('<ul><li>&lt;a&gt;</li><li>b</li></ul><hr>')
  })

  it('leaves out what is not there and keeps a zero', () => {
    expect(String(html`[${null}${undefined}${false}${0}]`)).toBe('[0]')
  })

  it('does not take an object for markup because it looks like it', () => {
    const lookalike = { toString: () => '<script>', '#markup': '<script>' } as unknown as HtmlValue
    expect(() => String(html`${lookalike}`)).toThrow(TypeError)
  })
})
