// A job whose handler is a Python program.
import { defineJob } from 'drover'
import { handleCommand } from 'drover/worker'
import { z } from 'zod'

export const countWords = defineJob({
  name: 'words.count',
  queue: 'words',
  input: z.object({ text: z.string() }),
  output: z.object({ words: z.number().int(), longest: z.string().nullable() }),
  timeout: '30s',
})

export default handleCommand(countWords, {
  command: ['python3', 'count_words.py'],
  cwd: new URL('..', import.meta.url),
  output: 'envelope',
})
