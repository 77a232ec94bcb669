package dev.dormouse.domain.pattern;

/** What a request is made of. */
public enum Modality {
    Text, Image, Audio, Video
}
