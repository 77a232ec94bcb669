package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** Who asks. */
record User(String name, String uid, List<String> groups) {
    static final String AUTHENTICATED = "system:authenticated";
    /** Members may do everything, whatever the roles say. */
    static final String MASTERS = "system:masters";
    static final User ADMIN = new User("dormouse-admin", "", List.of(MASTERS, AUTHENTICATED));

    static User serviceAccount(String namespace, String name, String uid) {
        return new User("system:serviceaccount:" + namespace + ":" + name, uid,
                List.of("system:serviceaccounts", "system:serviceaccounts:" + namespace, AUTHENTICATED));
    }

    /** As {@code authentication.k8s.io} writes it. */
    ObjectNode toUserInfo() {
        ObjectNode info = Json.object().put("username", name);
        if (!uid.isEmpty()) {
            info.put("uid", uid);
        }
        groups.forEach(info.putArray("groups")::add);
        return info;
    }
}
