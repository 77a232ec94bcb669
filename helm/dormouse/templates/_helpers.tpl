{{- define "dormouse.name" -}}
{{- if contains "dormouse" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-dormouse" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* Labels of everything; the argument is a list of the root and the component. */}}
{{- define "dormouse.labels" -}}
{{ include "dormouse.selector" . }}
{{- $root := index . 0 }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: dormouse
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end }}

{{- define "dormouse.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- end }}

{{- /* An image; the argument is a list of the root and the image's values. */}}
{{- define "dormouse.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- with $root.Values.imageRegistry }}{{ . | trimSuffix "/" }}/{{ end }}{{ $image.repository }}:{{ $image.tag | default $root.Chart.AppVersion }}
{{- end }}

{{- /* What both pods share; the argument is a list of the root and the component's values. */}}
{{- define "dormouse.pod" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $component.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dormouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* How operator and gateway know sidecars that serve https; nothing without it. */}}
{{- define "dormouse.sidecarCaEnv" -}}
{{- if .Values.sidecar.tls.secretName }}
- {name: DORMOUSE_SIDECAR_CA, value: /etc/dormouse/sidecar-ca/ca.crt}
{{- end }}
{{- end }}

{{- define "dormouse.sidecarCaMount" -}}
{{- if .Values.sidecar.tls.secretName }}
- {name: sidecar-ca, mountPath: /etc/dormouse/sidecar-ca, readOnly: true}
{{- end }}
{{- end }}

{{- define "dormouse.sidecarCaVolume" -}}
{{- with .Values.sidecar.tls }}
{{- if .secretName }}
- {name: sidecar-ca, secret: {secretName: {{ .caSecretName | default .secretName }}, items: [{key: ca.crt, path: ca.crt}]}}
{{- end }}
{{- end }}
{{- end }}

{{- /* Rules that operator and gateway need wherever models live; granted cluster-wide, or per watched namespace. */}}
{{- define "dormouse.operatorRules" -}}
- apiGroups: [dormouse.dev]
  resources: [inferencemodels]
  verbs: [get, list, watch, patch]     # patch: the finalizer
- apiGroups: [dormouse.dev]
  resources: [inferencemodels/status]
  verbs: [patch]
- apiGroups: [dormouse.dev]
  resources: [inferencemodels/finalizers]
  verbs: [update]                      # OwnerReferencesPermissionEnforcement: pods name their model as owner
- apiGroups: [dormouse.dev]
  resources: [modelsnapshots]
  verbs: [get, list, watch, create, patch, delete]   # delete: retention, snapshot.deletionPolicy Delete
- apiGroups: [dormouse.dev]
  resources: [modelsnapshots/status]
  verbs: [patch]
- apiGroups: [resource.k8s.io]
  resources: [resourceclaimtemplates]
  verbs: [create]                      # pools with allocation DRA
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update, delete]   # who works on a snapshot volume
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, delete]   # delete: snapshot.deletionPolicy Delete
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{- define "dormouse.gatewayRules" -}}
- apiGroups: [dormouse.dev]
  resources: [inferencemodels]
  verbs: [get, list, watch]
- apiGroups: [dormouse.dev]
  resources: [inferencemodels/status]
  verbs: [patch]                       # status.demand, as its own field manager
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- end }}
