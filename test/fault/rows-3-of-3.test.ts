// A third of the rows of the fault matrix: files run beside each other, and one with all rows would take the longest.
import { testRows } from './test-rows.js'

await testRows(3, 3)
