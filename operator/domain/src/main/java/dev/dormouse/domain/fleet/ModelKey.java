package dev.dormouse.domain.fleet;

/** A model, as every part of Dormouse names it: {@code namespace/name}. */
public record ModelKey(String namespace, String name) {

    /** @throws IllegalArgumentException unless the text is {@code namespace/name} */
    public static ModelKey parse(String text) {
        int slash = text.indexOf('/');
        if (slash <= 0 || slash == text.length() - 1) {
            throw new IllegalArgumentException("a model is named namespace/name, not \"" + text + "\"");
        }
        return new ModelKey(text.substring(0, slash), text.substring(slash + 1));
    }

    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
