package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.ConfigMapKeySelector;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.EnvFromSource;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.EnvVarSource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ResourceFieldSelector;
import io.fabric8.kubernetes.api.model.ResourceRequirements;
import io.fabric8.kubernetes.api.model.SecretKeySelector;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A container turned into a command line.
 *
 * @param command program and arguments, at least one
 * @param environment all of it beyond the few variables every process inherits
 */
record Launch(List<String> command, Map<String, String> environment, Path workingDirectory) {
    private static final Pattern REFERENCE = Pattern.compile("\\$\\$|\\$\\(([^()]+)\\)");
    private static final Pattern SUBSCRIPT = Pattern.compile("metadata\\.(labels|annotations)\\['([^']+)']");

    /** Where config maps and secrets come from. */
    interface ConfigSource {
        Optional<Map<String, byte[]>> configMap(String namespace, String name);

        Optional<Map<String, byte[]>> secret(String namespace, String name);

        /** A token of the pod's ServiceAccount, bound to the pod. */
        String token(Pod pod, ServiceAccountTokenProjection projection);
    }

    /** What the downward API can tell. */
    record Downward(Pod pod, String podIp, String hostIp) {
        /** The value of a field, as a fieldRef names it. */
        String field(String path) throws NotRunnable {
            Matcher subscript = SUBSCRIPT.matcher(path);
            if (subscript.matches()) {
                Map<String, String> map = subscript.group(1).equals("labels")
                        ? pod.getMetadata().getLabels()
                        : pod.getMetadata().getAnnotations();
                return map == null ? "" : map.getOrDefault(subscript.group(2), "");
            }
            return switch (path) {
                case "metadata.name" -> pod.getMetadata().getName();
                case "metadata.namespace" -> pod.getMetadata().getNamespace();
                case "metadata.uid" -> pod.getMetadata().getUid();
                case "spec.nodeName" -> pod.getSpec().getNodeName();
                case "status.podIP", "status.podIPs" -> podIp;
                case "status.hostIP", "status.hostIPs" -> hostIp;
                case "spec.serviceAccountName" ->
                    Objects.requireNonNullElse(pod.getSpec().getServiceAccountName(), "default");
                case "metadata.labels" -> lines(pod.getMetadata().getLabels());
                case "metadata.annotations" -> lines(pod.getMetadata().getAnnotations());
                default -> throw NotRunnable.config("fieldRef %s is not supported by a process node", path);
            };
        }

        /** One line per entry, as files of a downward API volume have it. */
        private static String lines(@Nullable Map<String, String> map) {
            return map == null
                    ? ""
                    : map.entrySet()
                            .stream()
                            .sorted(Map.Entry.comparingByKey())
                            .map(e -> e.getKey() + "=\"" + e.getValue().replace("\"", "\\\"") + "\"")
                            .collect(Collectors.joining("\n"));
        }

        /**
         * A request or limit of a container, in units of the divisor, rounded up; a limit that is not set is what this
         * machine has.
         */
        String resource(String ownContainer, ResourceFieldSelector selector) throws NotRunnable {
            String name = Objects.requireNonNullElse(selector.getContainerName(), ownContainer);
            Container container = Stream
                    .concat(pod.getSpec().getContainers().stream(), pod.getSpec().getInitContainers().stream())
                    .filter(each -> each.getName().equals(name))
                    .findFirst()
                    .orElseThrow(() -> NotRunnable.config("resourceFieldRef: there is no container %s", name));
            String[] field = selector.getResource().split("\\.", 2);
            ResourceRequirements resources = Objects.requireNonNullElseGet(container.getResources(),
                    ResourceRequirements::new);
            Map<String, Quantity> amounts = switch (field[0]) {
                case "limits" -> resources.getLimits();
                case "requests" -> resources.getRequests();
                default -> throw NotRunnable.config("resourceFieldRef %s is not supported by a process node",
                        selector.getResource());
            };
            Quantity amount = amounts == null ? null : amounts.get(field[1]);
            BigDecimal value = amount != null ? amount.getNumericalAmount() : switch (selector.getResource()) {
                case "limits.cpu" -> BigDecimal.valueOf(Runtime.getRuntime().availableProcessors());
                case "limits.memory" -> BigDecimal.valueOf(Runtime.getRuntime().maxMemory());
                default -> BigDecimal.ZERO;
            };
            BigDecimal divisor = selector.getDivisor() == null
                    ? BigDecimal.ZERO
                    : selector.getDivisor().getNumericalAmount();
            return value.divide(divisor.signum() == 0 ? BigDecimal.ONE : divisor, 0, RoundingMode.CEILING)
                    .toPlainString();
        }
    }

    static Launch of(Container container, ImageTable.Image image, Downward downward, ConfigSource configs,
            MountPaths mounts, Path scratch) throws NotRunnable {
        Map<String, String> variables = variables(container, image, downward, configs);
        UnaryOperator<String> real = text -> mounts.replace(expand(text, variables));
        List<String> command = new ArrayList<>();
        if (container.getCommand().isEmpty()) {
            command.addAll(image.command());
            command.addAll(container.getArgs().isEmpty()
                    ? image.args()
                    : container.getArgs().stream().map(real).toList());
        } else {
            container.getCommand().stream().map(real).forEach(command::add);
            container.getArgs().stream().map(real).forEach(command::add);
        }
        if (command.isEmpty()) {
            throw NotRunnable.config("no command specified: neither container %s nor image %s has one",
                    container.getName(), image.name());
        }
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("HOSTNAME", downward.pod().getMetadata().getName());
        environment.putAll(variables);
        container.getEnv().forEach(e -> environment.computeIfPresent(e.getName(), (_, v) -> mounts.replace(v)));
        return new Launch(List.copyOf(command), environment, workingDirectory(container, mounts, scratch));
    }

    private static Path workingDirectory(Container container, MountPaths mounts, Path scratch) throws NotRunnable {
        String wanted = container.getWorkingDir();
        if (wanted == null || wanted.isEmpty()) {
            return scratch;
        }
        String real = mounts.replace(wanted);
        if (real.equals(wanted)) {
            throw NotRunnable.config(
                    "workingDir %s lies in the image, and a process node has no images: use a mounted volume",
                    wanted);
        }
        return Path.of(real);
    }

    /** The image's variables, then the container's in order; each may refer to those before it. */
    private static Map<String, String> variables(Container container, ImageTable.Image image, Downward downward,
            ConfigSource configs) throws NotRunnable {
        Map<String, String> variables = new LinkedHashMap<>(image.environment());
        for (EnvFromSource source : container.getEnvFrom()) {
            String prefix = source.getPrefix() == null ? "" : source.getPrefix();
            everything(source, downward.pod().getMetadata().getNamespace(), configs)
                    .forEach((key, value) -> variables.put(prefix + key, new String(value, StandardCharsets.UTF_8)));
        }
        for (EnvVar variable : container.getEnv()) {
            if (variable.getValueFrom() == null) {
                String value = variable.getValue() == null ? "" : variable.getValue();
                variables.put(variable.getName(), expand(value, variables));
            } else {
                valueFrom(container, variable.getName(), variable.getValueFrom(), downward, configs)
                        .ifPresent(value -> variables.put(variable.getName(), value));
            }
        }
        return variables;
    }

    private static Map<String, byte[]> everything(EnvFromSource source, String namespace, ConfigSource configs)
            throws NotRunnable {
        String kind = source.getConfigMapRef() == null ? "secret" : "configmap";
        String name;
        boolean optional;
        Optional<Map<String, byte[]>> data;
        if (source.getConfigMapRef() != null) {
            name = source.getConfigMapRef().getName();
            optional = Boolean.TRUE.equals(source.getConfigMapRef().getOptional());
            data = configs.configMap(namespace, name);
        } else if (source.getSecretRef() != null) {
            name = source.getSecretRef().getName();
            optional = Boolean.TRUE.equals(source.getSecretRef().getOptional());
            data = configs.secret(namespace, name);
        } else {
            return Map.of();
        }
        if (data.isEmpty() && !optional) {
            throw NotRunnable.config("%s \"%s\" not found", kind, name);
        }
        return data.orElse(Map.of());
    }

    private static Optional<String> valueFrom(Container container, String variable, EnvVarSource source,
            Downward downward, ConfigSource configs) throws NotRunnable {
        String namespace = downward.pod().getMetadata().getNamespace();
        if (source.getResourceFieldRef() != null) {
            return Optional.of(downward.resource(container.getName(), source.getResourceFieldRef()));
        }
        if (source.getFieldRef() != null) {
            return Optional.of(downward.field(source.getFieldRef().getFieldPath()));
        }
        if (source.getConfigMapKeyRef() != null) {
            ConfigMapKeySelector ref = source.getConfigMapKeyRef();
            return key("configmap", ref.getName(), ref.getKey(), Boolean.TRUE.equals(ref.getOptional()),
                    configs.configMap(namespace, ref.getName()));
        }
        if (source.getSecretKeyRef() != null) {
            SecretKeySelector ref = source.getSecretKeyRef();
            return key("secret", ref.getName(), ref.getKey(), Boolean.TRUE.equals(ref.getOptional()),
                    configs.secret(namespace, ref.getName()));
        }
        throw NotRunnable.config("env %s: this kind of valueFrom is not supported by a process node; fieldRef, "
                + "resourceFieldRef, configMapKeyRef and secretKeyRef are", variable);
    }

    private static Optional<String> key(String kind, String name, String key, boolean optional,
            Optional<Map<String, byte[]>> data) throws NotRunnable {
        if (data.isPresent() && data.get().containsKey(key)) {
            return Optional.of(new String(data.get().getOrDefault(key, new byte[0]), StandardCharsets.UTF_8));
        }
        if (optional) {
            return Optional.empty();
        }
        throw data.isEmpty()
                ? NotRunnable.config("%s \"%s\" not found", kind, name)
                : NotRunnable.config("couldn't find key %s in %s \"%s\"", key, kind, name);
    }

    /** Kubernetes' {@code $(NAME)}: unknown names stay as they are, {@code $$} is a dollar. */
    static String expand(String text, Map<String, String> variables) {
        return REFERENCE.matcher(text).replaceAll(match -> {
            String name = match.group(1);
            String value = name == null ? "$" : variables.getOrDefault(name, match.group());
            return Matcher.quoteReplacement(value);
        });
    }
}
