--[[
  Part of commit.lua: puts a job that the finishing job staged into its queue, with BullMQ's own scripts, unchanged. The
  words of such a staged write are: ENQUEUE, kind (as in `scripts`), then the script's keys, then its three arguments.
  BullMQ's scripts write as they go, so the types of all keys are checked before anything of the job is written.
]]
local scripts = {
  standard = { keys = 9, run = function(KEYS, ARGV)
    --@ADD_STANDARD@
  end },
  delayed = { keys = 6, run = function(KEYS, ARGV)
    --@ADD_DELAYED@
  end },
  prioritized = { keys = 9, run = function(KEYS, ARGV)
    --@ADD_PRIORITIZED@
  end },
}
local types = {
  wait = 'list', paused = 'list', active = 'list', meta = 'hash', id = 'string', completed = 'zset', delayed = 'zset',
  prioritized = 'zset', pc = 'string', marker = 'zset', events = 'stream',
}

-- The reason why the job could not be put in, or nothing.
local function checkStagedJob(first)
  for i = first + 1, first + scripts[ARGV[first]].keys do
    local now, need = redis.call('TYPE', ARGV[i]).ok, types[string.match(ARGV[i], '[^:]+$')]
    if now ~= 'none' and now ~= need then
      return 'the key ' .. ARGV[i] .. ' holds a ' .. now .. ', BullMQ needs a ' .. need
    end
  end
end

local function addStagedJob(first, last)
  local kind = scripts[ARGV[first]]
  local keys = { unpack(ARGV, first + 1, first + kind.keys) }
  local reply = kind.run(keys, { unpack(ARGV, first + kind.keys + 1, last) })
  if type(reply) == 'number' and reply < 0 then
    error('BullMQ answered ' .. reply .. ' to a staged job')
  end
end
