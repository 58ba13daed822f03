// The job file of the image: the handlers of examples/text-index, for `drover worker` and `drover enqueue` to find.
import { textIndexHandlers } from '../examples/text-index/handlers.js'

export const [indexFile, countMoreWords] = textIndexHandlers(process.env.DROVER_PREFIX ?? 'drover')
