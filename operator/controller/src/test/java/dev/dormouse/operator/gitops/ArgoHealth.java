package dev.dormouse.operator.gitops;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.luaj.vm2.Globals;
import org.luaj.vm2.LuaTable;
import org.luaj.vm2.LuaValue;
import org.luaj.vm2.lib.jse.JsePlatform;

/** Runs the Argo CD health script that we ship, in a Lua runtime, as Argo CD does: {@code obj} in, {@code hs} out. */
final class ArgoHealth {
    private static final Path SCRIPT = Path.of("../../docs/gitops/argocd-health.lua");

    private final String script;

    ArgoHealth() throws IOException {
        script = Files.readString(SCRIPT);
    }

    /** @return {@code Healthy}, {@code Progressing} or {@code Degraded} */
    String of(JsonNode object) {
        Globals globals = JsePlatform.standardGlobals();
        globals.set("obj", lua(object));
        return globals.load(script, "health").call().get("status").tojstring();
    }

    private static LuaValue lua(JsonNode node) {
        switch (node.getNodeType()) {
            case OBJECT -> {
                LuaTable table = new LuaTable();
                node.properties().forEach(field -> table.set(field.getKey(), lua(field.getValue())));
                return table;
            }
            case ARRAY -> {
                LuaTable table = new LuaTable();
                for (int i = 0; i < node.size(); i++) {
                    table.set(i + 1, lua(node.get(i)));
                }
                return table;
            }
            case NUMBER -> {
                return LuaValue.valueOf(node.asDouble());
            }
            case BOOLEAN -> {
                return LuaValue.valueOf(node.asBoolean());
            }
            case STRING -> {
                return LuaValue.valueOf(node.asText());
            }
            default -> {
                return LuaValue.NIL;
            }
        }
    }
}
