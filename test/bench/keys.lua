-- wrk sends keys chosen uniformly from the file that KEYS names, one a line.
local keys = {}
function init(args)
  for line in io.lines(os.getenv("KEYS")) do keys[#keys + 1] = line end
  math.randomseed(os.time())
end
function request()
  return wrk.format("GET", nil, {["Authorization"] = "Bearer " .. keys[math.random(#keys)]})
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
