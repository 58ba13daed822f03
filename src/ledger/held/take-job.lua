--[[
  Hands the next job over that is not of a paused name. What hands jobs over (BullMQ's moveToActive) stands inside `take`,
  with its read of the meta hash widened by a field for `held`; without paused names it is all that runs. It must be atomic:
  a pause of a name holds for every job that is handed over after it.

  KEYS, ARGV  as BullMQ's script takes them; ARGV[1] is the base of its keys, "{prefix:queue}:queue:"
  Returns     as BullMQ's script
]]
local held
local function take(KEYS, ARGV)
  --@TAKING@
end

local reply = take(KEYS, ARGV)
if not held then
  return reply
end
--@HELD_FUNCTIONS@
local bull = ARGV[1]
local base = string.match(bull, '^({[^}]*}:)')
local PIECE, TRIES = 200, 100
local tries = 0
while held do
  local isPuttingBack = string.find(held, ' >', 1, true)
  local isAside = putAside(held, base, bull, reply)
  if not isAside and (type(reply[1]) == 'table' or not isPuttingBack) then
    return reply
  end
  if isPuttingBack then
    held = putBackSome(held, base, bull, PIECE)
    isPuttingBack = held and string.find(held, ' >', 1, true)
  end
  tries = tries + 1
  -- Others wait for Redis meanwhile; the marker brings this call again.
  if isPuttingBack or tries == TRIES then
    redis.call('ZADD', bull .. 'marker', 0, '0')
    return { 0, 0, 0, 0 }
  end
  reply = take(KEYS, ARGV)
end
return reply
