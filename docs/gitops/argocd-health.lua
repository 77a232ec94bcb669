-- Argo CD health of InferenceModel, ModelSnapshot and GpuPool (dormouse.dev). In argocd-cm:
--   resource.customizations.health.dormouse.dev_InferenceModel: | <this file>
-- A model that sleeps, or wakes, is Healthy: it answers requests.
hs = { status = "Progressing", message = "waiting for the operator" }
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "being deleted"
  return hs
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end
local ready = conditions["Ready"]
if ready == nil then
  return hs
end
hs.message = ready.reason .. ": " .. (ready.message or "")
if conditions["Stalled"] ~= nil and conditions["Stalled"].status == "True" then
  hs.status = "Degraded"
elseif conditions["Reconciling"] ~= nil and conditions["Reconciling"].status == "True" then
  hs.status = "Progressing"
elseif ready.status == "True" then
  hs.status = "Healthy"
elseif ready.status == "Unknown" or ready.reason == "FirstStart" then
  hs.status = "Progressing"
else
  hs.status = "Degraded"
end
return hs
