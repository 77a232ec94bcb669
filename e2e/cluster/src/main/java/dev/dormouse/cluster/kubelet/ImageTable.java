package dev.dormouse.cluster.kubelet;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What each image means on this machine. There is no registry: an image that is not listed cannot be pulled.
 *
 * @param images in order of precedence
 * @param howToAdd one sentence for people whose image is missing, shown in the pod's status
 */
public record ImageTable(List<Image> images, String howToAdd) {
    /**
     * One image.
     *
     * @param name reference as written in pods; without a tag or digest it stands for every one of them
     * @param command the image's ENTRYPOINT, real paths of this machine; a container's {@code command} overrides it
     * @param args the image's CMD; a container's {@code command} or {@code args} override it
     * @param environment the image's ENV; a container's {@code env} overrides it
     * @param description what it is, for people
     */
    public record Image(String name, List<String> command, List<String> args, Map<String, String> environment,
            String description) {
        public Image {
            if (name.isBlank()) {
                throw new IllegalArgumentException("an image needs a name");
            }
            command = List.copyOf(command);
            args = List.copyOf(args);
            environment = Map.copyOf(environment);
        }

        /** An image that is just a command. */
        public static Image of(String name, String... command) {
            return new Image(name, List.of(command), List.of(), Map.of(), "");
        }

        private boolean stands(String reference) {
            return reference.equals(name) || withoutVersion(reference).equals(name);
        }

        private static String withoutVersion(String reference) {
            String untagged = reference.replaceFirst("@.*$", "");
            int colon = untagged.lastIndexOf(':');
            return colon > untagged.lastIndexOf('/') ? untagged.substring(0, colon) : untagged;
        }
    }

    public ImageTable {
        images = List.copyOf(images);
    }

    public static ImageTable of(Image... images) {
        return new ImageTable(List.of(images), "add it to the node's image table (name, command) and restart the node");
    }

    /** This table plus one image, which takes precedence over an older one of the same name. */
    public ImageTable with(Image image) {
        List<Image> all = new ArrayList<>();
        all.add(image);
        all.addAll(images);
        return new ImageTable(all, howToAdd);
    }

    Optional<Image> find(String reference) {
        return images.stream().filter(i -> i.stands(reference)).findFirst();
    }

    String missing(String reference) {
        return "image \"%s\" has no local command: a process node pulls nothing; %s. Known images: %s".formatted(
                reference,
                howToAdd, images.stream().map(Image::name).distinct().sorted().toList());
    }
}
