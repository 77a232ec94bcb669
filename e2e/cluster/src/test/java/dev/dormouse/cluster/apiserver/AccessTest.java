package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.apiserver.Api.Answer;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tokens of ServiceAccounts, what roles let them do, and the reviews that tell. */
class AccessTest {
    private static final String ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts";
    private static final String RBAC = "/apis/rbac.authorization.k8s.io/v1";

    @TempDir
    private static Path folder;
    private static Api api;

    @BeforeAll
    static void start() {
        api = new Api(folder);
        api.controlPlane().apply("""
                                 apiVersion: rbac.authorization.k8s.io/v1
                                 kind: Role
                                 metadata: {name: config-reader}
                                 rules:
                                 - {apiGroups: [''], resources: [configmaps], verbs: [get, list, watch, patch]}
                                 - {apiGroups: [''], resources: [secrets], resourceNames: [mine], verbs: [get, list]}
                                 - {apiGroups: [''], resources: [pods/log], verbs: [get]}
                                 ---
                                 apiVersion: rbac.authorization.k8s.io/v1
                                 kind: RoleBinding
                                 metadata: {name: config-readers}
                                 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: config-reader}
                                 subjects: [{kind: ServiceAccount, name: reader, namespace: default}]
                                 """);
    }

    @AfterAll
    static void stop() {
        api.close();
    }

    @ParameterizedTest
    @CsvSource({"GET,/api/v1/namespaces/default/configmaps,200", "GET,/api/v1/namespaces/default/configmaps/x,404",
            "GET,/api/v1/namespaces/kube-system/configmaps,403", "GET,/api/v1/configmaps,403",
            "DELETE,/api/v1/namespaces/default/configmaps/x,403", "GET,/api/v1/namespaces/default/secrets,403",
            "GET,/api/v1/namespaces/default/secrets/mine,404", "GET,/api/v1/namespaces/default/secrets/other,403",
            "GET,/api/v1/namespaces/default/secrets?fieldSelector=metadata.name%3Dmine,200",
            "GET,/api/v1/namespaces/default/pods/p/log,404", "GET,/api/v1/namespaces/default/pods/p,403",
            "GET,/api,200", "GET,/openapi/v3,200", "GET,/metrics,403", "GET,/apis/nope/v1/things,403"})
    void anAccountMayDoWhatItsRolesSayAndNothingElse(String method, String path, int code) {
        assertThat(api.sendAs(token("reader"), method, path, Api.JSON, "").code()).isEqualTo(code);
    }

    @Test
    void aRefusalSaysWhoWantedWhat() {
        Answer refused = api.getAs("/api/v1/namespaces/default/pods/p", token("reader"));

        assertThat(refused.message()).isEqualTo("pods \"p\" is forbidden: User"
                + " \"system:serviceaccount:default:reader\" cannot get resource \"pods\" in API group \"\""
                + " in the namespace \"default\"");
        assertThat(refused.reason()).isEqualTo("Forbidden");
    }

    @Test
    void whoMayPatchMayNotCreateByApplying() {
        String yaml = "{apiVersion: v1, kind: ConfigMap, metadata: {name: applied}, data: {a: b}}";
        String path = Api.CONFIG_MAPS + "/applied?fieldManager=me";

        assertThat(api.sendAs(token("reader"), "PATCH", path, Api.APPLY, yaml).code()).isEqualTo(403);
        assertThat(api.apply(Api.CONFIG_MAPS + "/applied", "me", yaml).code()).isEqualTo(201);
        assertThat(api.sendAs(token("reader"), "PATCH", path, Api.APPLY, yaml).code()).isEqualTo(200);
    }

    @Test
    void aRoleCountsFromTheMomentItIsBound() {
        String token = token("late");
        assertThat(api.getAs("/api/v1/nodes", token).code()).isEqualTo(403);
        api.post(RBAC + "/clusterroles",
                """
                {"metadata": {"name": "nodes", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
                 "rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]}""");
        api.post(RBAC + "/clusterrolebindings",
                """
                {"metadata": {"name": "late"}, "subjects": [{"kind": "Group", "name": "system:serviceaccounts:default"}],
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}""");

        assertThat(api.getAs("/api/v1/nodes", token).code()).as("an aggregated role").isEqualTo(200);
        api.delete(RBAC + "/clusterrolebindings/late");
        assertThat(api.getAs("/api/v1/nodes", token).code()).isEqualTo(403);
    }

    @Test
    void aTokenEndsWithItsAccountAndWithThePodItIsBoundTo() {
        String token = token("gone");
        api.post(Api.PODS, Api.pod("bound", ""));
        String bound = api.post(ACCOUNTS + "/gone/token",
                "{\"spec\": {\"boundObjectRef\": {\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"name\": \"bound\"}}}")
                .at("/status/token")
                .asText();
        assertThat(api.getAs("/api", bound).code()).isEqualTo(200);
        api.delete(Api.PODS + "/bound");
        assertThat(api.getAs("/api", bound).code()).isEqualTo(401);

        assertThat(api.getAs("/api", token).code()).isEqualTo(200);
        api.delete(ACCOUNTS + "/gone");
        assertThat(api.getAs("/api", token).code()).isEqualTo(401);
        assertThat(token("gone")).as("an account of the same name is another one").isNotEqualTo(token);
        assertThat(api.getAs("/api", token).code()).isEqualTo(401);
    }

    @Test
    void aTokenThatWasChangedIsWorthNothing() {
        String token = token("reader");
        for (int i = 0; i < token.length(); i += 7) {
            char other = token.charAt(i) == 'A' ? 'B' : 'A';
            String changed = token.substring(0, i) + other + token.substring(i + 1);
            assertThat(api.getAs("/api", changed).code()).as("changed at %d", i).isEqualTo(401);
        }
    }

    @Test
    void aTokenForLessThanTenMinutesIsRefused() {
        token("short");
        Answer refused = api.post(ACCOUNTS + "/short/token", "{\"spec\": {\"expirationSeconds\": 5}}");

        assertThat(refused.code()).isEqualTo(422);
        assertThat(refused.message()).contains("spec.expirationSeconds", "10 minutes");
    }

    @Test
    void reviewsTellWhoMayDoWhat() {
        String reader = token("reader");
        String access = """
                        {"spec": {"resourceAttributes": {"verb": "%s", "resource": "configmaps", "namespace": "default"}}}""";
        String self = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

        assertThat(allowed(api.sendAs(reader, "POST", self, Api.JSON, access.formatted("list")))).isTrue();
        assertThat(allowed(api.sendAs(reader, "POST", self, Api.JSON, access.formatted("delete")))).isFalse();
        assertThat(allowed(api.post(self, access.formatted("delete")))).isTrue();
        assertThat(allowed(api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews",
                """
                {"spec": {"user": "system:serviceaccount:default:reader", "resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "default"}}}""")))
                .isTrue();
        assertThat(api.sendAs(reader, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", Api.JSON,
                "{\"spec\": {\"namespace\": \"default\"}}").at("/status/resourceRules").toString())
                .contains("configmaps", "mine");
        assertThat(api.sendAs(reader, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", Api.JSON, "{}")
                .at("/status/userInfo/username")
                .asText()).isEqualTo("system:serviceaccount:default:reader");
        assertThat(api.post("/apis/authentication.k8s.io/v1/tokenreviews",
                "{\"spec\": {\"token\": \"%s\"}}".formatted(reader)).at("/status/authenticated").asBoolean()).isTrue();
        assertThat(api.post(self, "{\"spec\": {}}").code()).isEqualTo(422);
    }

    @Test
    void nobodyGrantsMoreThanTheyHave() {
        api.controlPlane().apply("""
                                 apiVersion: rbac.authorization.k8s.io/v1
                                 kind: RoleBinding
                                 metadata: {name: delegates}
                                 roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
                                 subjects: [{kind: ServiceAccount, name: delegate, namespace: default}]
                                 """);
        String token = token("delegate");
        String role = """
                      {"metadata": {"name": "%s"}, "rules": [{"apiGroups": [""], "resources": ["%s"], "verbs": ["get"]}]}""";
        String roles = RBAC + "/namespaces/default/roles";

        assertThat(api.sendAs(token, "POST", roles, Api.JSON, role.formatted("fine", "pods")).code()).isEqualTo(201);
        Answer refused = api.sendAs(token, "POST", roles, Api.JSON, role.formatted("more", "replicationcontrollers"));
        assertThat(refused.code()).isEqualTo(403);
        assertThat(refused.message()).contains("attempting to grant RBAC permissions not currently held");
        assertThat(api.sendAs(token, "POST", RBAC + "/namespaces/default/rolebindings", Api.JSON,
                """
                {"metadata": {"name": "up"}, "subjects": [{"kind": "User", "name": "me"}],
                 "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}}""")
                .code()).isEqualTo(403);
    }

    @Test
    void theAdministratorMayActAsSomebodyElseAndOthersMayNot() {
        assertThat(api.getImpersonating("system:serviceaccount:default:reader", Api.CONFIG_MAPS).code()).isEqualTo(200);
        assertThat(api.getImpersonating("jane", Api.CONFIG_MAPS).message()).contains("User \"jane\" cannot list");
    }

    @Test
    void everyNamespaceHasAnAccountAndTheCertificateToTrust() {
        api.post("/api/v1/namespaces", "{\"metadata\": {\"name\": \"fresh\"}}");
        org.awaitility.Awaitility.await()
                .until(() -> api.get("/api/v1/namespaces/fresh/serviceaccounts/default").code() == 200
                        && api.get("/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt").code() == 200);
        assertThat(api.get("/api/v1/namespaces/fresh/configmaps/kube-root-ca.crt").at("/data").toString())
                .contains("BEGIN CERTIFICATE");
    }

    private static boolean allowed(Answer review) {
        assertThat(review.code()).isEqualTo(201);
        return review.at("/status/allowed").asBoolean();
    }

    private static String token(String account) {
        api.post(ACCOUNTS, "{\"metadata\": {\"name\": \"%s\"}}".formatted(account));
        Answer answer = api.post(ACCOUNTS + "/" + account + "/token", "{\"spec\": {\"expirationSeconds\": 3600}}");
        assertThat(answer.code()).isEqualTo(201);
        return answer.at("/status/token").asText();
    }
}
