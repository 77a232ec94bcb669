package dev.dormouse.gateway.http;

/** What a request body says in its field {@code "model"}. */
sealed interface ModelField {

    record Named(String name) implements ModelField {}

    /** The body is complete and names none. */
    record Missing() implements ModelField {}

    /** The body goes on and has not named any so far. */
    record NotYet() implements ModelField {}

    /** @param problem what is wrong and where, for the client; never quotes the body, which is a prompt */
    record Malformed(String problem) implements ModelField {}

    /**
     * @param contentType as the client gave it; anything that is no form is read as JSON, as most engines do
     * @param body the body, or its beginning, cut anywhere
     * @param complete whether this is all of it; only then can everything be checked
     */
    static ModelField in(String contentType, byte[] body, boolean complete) {
        String type = contentType.split(";", 2)[0].strip();
        if (type.equalsIgnoreCase("multipart/form-data")) {
            return MultipartBody.model(contentType, body, complete);
        }
        if (type.equalsIgnoreCase("application/x-www-form-urlencoded")) {
            return UrlEncodedForm.model(body, complete);
        }
        return JsonBody.model(body, complete);
    }
}
