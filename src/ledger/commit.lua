--[[
  Finishes a job and commits what it wrote, in one step. BullMQ's own script moveToFinished stands
  unchanged inside `finish`; this file adds the checks before it and the writes after it.
  It must be atomic: a crash, a second run or a lost lock between "completed" and "counted" would
  lose or double a count. Redis does not roll a script back, so every write is checked first.

  KEYS[1]  job key, "{prefix:queue}:queue:<id>"
  ARGV[1..9]  as BullMQ's moveToFinished takes them (its 14 keys are rebuilt here from ARGV[5], ARGV[7])
  ARGV[10] base of our keys, "{prefix:queue}:"
  ARGV[11] result record, JSON
  ARGV[12] how long the result is kept, seconds
  ARGV[13] field of the totals hash, "<job>:completed" or "<job>:failed"
  ARGV[14] minute of the stats hash, minutes since 1970
  ARGV[15] field of the stats hash, "<job>|c|<run bucket>|<wait bucket>" (f for failed)
  ARGV[16] number of user counters C, followed by C pairs: name, whole number to add
  then     staged writes, each: number of words, command, key, further words
  Returns  BullMQ's reply: 0, or the next job; -1 job missing, -2 lock missing, -3 not active,
           -4 pending children, -6 lock of another run, -9 failed children: then nothing was written
  Errors   DROVER_COUNTER <n> <reason>   user counter n cannot be added to; nothing was written
           DROVER_EFFECT <n> <reason>    staged write n would fail; nothing was written
]]
local function finish(KEYS, ARGV)
  --@BULLMQ_SCRIPT@
end

local base, statsTtl = ARGV[10], 172800
local counters = tonumber(ARGV[16])
local firstEffect = 17 + 2 * counters
-- Above this a double can no longer tell whether a sum still fits Redis's signed 64 bits.
local LIMIT = 9e18

local function reply(kind, index, reason)
  return redis.error_reply('DROVER_' .. kind .. ' ' .. index .. ' ' .. reason)
end

-- As Redis reads one: no leading zeros, no plus sign, no spaces.
local function whole(text)
  if text == '0' or string.find(text, '^-?[1-9]%d*$') then
    return tonumber(text)
  end
end

for i = 1, counters do
  local current = redis.pcall('GET', base .. 'counter:' .. ARGV[15 + 2 * i])
  if type(current) == 'table' then
    return reply('COUNTER', i, 'the key does not hold a string')
  end
  if current then
    local number = whole(current)
    if not number then
      return reply('COUNTER', i, 'the key does not hold a whole number')
    end
    if math.abs(number) + math.abs(tonumber(ARGV[16 + 2 * i])) > LIMIT then
      return reply('COUNTER', i, 'the sum would not fit 64 bits')
    end
  end
end

if firstEffect <= #ARGV then
  --@CHECK_EFFECTS@
  local index, reason = checkEffects(firstEffect)
  if index then
    return reply('EFFECT', index, reason)
  end
end

local prefix = ARGV[7]
local outcome = finish({
  prefix .. 'wait', prefix .. 'active', prefix .. 'prioritized', prefix .. 'events', prefix .. 'stalled',
  prefix .. 'limiter', prefix .. 'delayed', prefix .. 'paused', prefix .. 'meta', prefix .. 'pc',
  prefix .. ARGV[5], KEYS[1], prefix .. 'metrics:' .. ARGV[5], prefix .. 'marker',
}, ARGV)
if type(outcome) == 'number' and outcome < 0 then
  return outcome
end

redis.call('SET', base .. 'result:' .. ARGV[1], ARGV[11], 'EX', ARGV[12])
-- '1' as text: Redis turns a Lua number into text again, which takes longer than the command itself.
-- pcall: should a stranger have put another type at these two keys, the job's own writes still go in.
redis.pcall('HINCRBY', base .. 'totals', ARGV[13], '1')
local stats = base .. 'stats:' .. ARGV[14]
if redis.pcall('HINCRBY', stats, ARGV[15], '1') == 1 then
  redis.call('EXPIRE', stats, statsTtl)
end
for i = 1, counters do
  local name, delta = ARGV[15 + 2 * i], ARGV[16 + 2 * i]
  local sum = redis.call('INCRBY', base .. 'counter:' .. name, delta)
  local sumOfMinute = redis.pcall('HINCRBY', stats, '#' .. name, delta)
  -- New, or first changed in this minute: name it, so that a list of counters needs no scan.
  if sum == tonumber(delta) or sumOfMinute == tonumber(delta) then
    redis.pcall('SADD', base .. 'counters', name)
  end
end
local at = firstEffect
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
-- A waiter reads the result from the message; a large one it fetches, so that a publish stays small.
-- pcall: all is written, and a server that refuses the message (rights of the user, no sharded channels) must not make
-- the finish look failed, and lose the next job that it hands over.
redis.pcall('--@PUBLISH@', base .. 'done:' .. ARGV[1], #ARGV[11] <= 8192 and ARGV[11] or '')
return outcome
