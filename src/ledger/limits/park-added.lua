--[[
  Adds a job that has a limit: it gets in the line of its key instead of BullMQ's wait list. The script that adds a job
  without one, BullMQ's own or add-job.lua, stands unchanged inside `add`. It must be atomic: a worker could take the job
  from the wait list before it is in its line.

  KEYS     as the script inside takes them
  ARGV[1]  '<spec> <ID>' (limit-functions.lua)
  ARGV[2]  where it gets in line: 'delayed' (not before it is due), 'last' (lifo), or its priority, '0' without one
  ARGV[3]  base of our keys, "{prefix:queue}:"
  ARGV[4]  BullMQ's key prefix; ARGV[5] the job's id
  ARGV[6..] as the script inside takes its ARGV; the second is the input
  Returns  what the script inside does. A job that was there already stays where it is
]]
local function add(KEYS, ARGV)
  --@ADD@
end
--@LIMITS@
local word, place, base, bull, id = unpack(ARGV, 1, 5)
local words = {}
for i = 6, #ARGV do
  words[i - 5] = ARGV[i]
end
local reply = add(KEYS, words)
-- A debounced job that took this input: its key is this one's. It gets in line when it is due.
local other = place == 'delayed' and type(reply) == 'string' and string.match(reply, '^known (.+)$')
if reply == id or reply == 'added ' .. id then
  openLines(base, bull).parkAdded(id, word, place)
elseif other and redis.call('ZSCORE', bull .. 'delayed', other) and redis.call('HGET', bull .. other, 'data') == words[2] then
  redis.call('HSET', bull .. other, 'drover:limit', word)
end
return reply
