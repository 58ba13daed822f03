--[[
  Part of commit.lua: what BullMQ's functions do anew for each job and need not, as nothing of a call undoes it, is done once
  for all jobs of a call. `isDone` is a new table in each call; `trims` tells whether events are trimmed in it at all.
]]
local function oncePerCall(run)
  return function(key, ...)
    local keys = isDone[run] or {}
    isDone[run] = keys
    if not keys[key] then
      keys[key] = true
      run(key, ...)
    end
  end
end

local addMarker, trim = oncePerCall(addBaseMarkerIfNeeded), oncePerCall(trimEvents)
addBaseMarkerIfNeeded = function(markerKey, isPausedOrMaxed)
  if not isPausedOrMaxed then
    addMarker(markerKey, false)
  end
end
promoteDelayedJobs = oncePerCall(promoteDelayedJobs)
trimEvents = function(metaKey, eventStreamKey)
  if trims then
    trim(metaKey, eventStreamKey)
  end
end
