package dev.dormouse.domain.fleet;

/** A model, as every part of Dormouse names it: {@code namespace/name}. */
public record ModelKey(String namespace, String name) {

    @Override
    public String toString() {
        return namespace + "/" + name;
    }
}
