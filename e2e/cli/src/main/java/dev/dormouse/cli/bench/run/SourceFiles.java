package dev.dormouse.cli.bench.run;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Where a model's source lies on this machine. */
final class SourceFiles {
    private SourceFiles() {}

    /** Empty unless the model's claim is a folder here. */
    static Optional<Path> of(Site site, GenericKubernetesResource model) {
        Object uri = model.get("spec", "model", "uri");
        if (!(uri instanceof String text) || !text.startsWith("pvc://")) {
            return Optional.empty();
        }
        URI claim = URI.create(text);
        return site.claims()
                .folder(site.namespace(), claim.getAuthority())
                .map(folder -> folder.resolve(claim.getPath().substring(1)))
                .filter(Files::exists);
    }
}
