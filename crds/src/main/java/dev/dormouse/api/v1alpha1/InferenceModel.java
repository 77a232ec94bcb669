package dev.dormouse.api.v1alpha1;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Categories;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;
import org.jspecify.annotations.NullUnmarked;

/** One model: what to serve and how it may scale. */
@Group("dormouse.dev")
@Version("v1alpha1")
@ShortNames("im")
@Categories({"all", "dormouse"})
@AdditionalPrinterColumn(name = "Ready", jsonPath = ".status.conditions[?(@.type==\"Ready\")].status", type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(name = "Reason", jsonPath = ".status.conditions[?(@.type==\"Ready\")].reason", type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(name = "Replicas", jsonPath = ".status.replicas", type = AdditionalPrinterColumn.Type.INTEGER)
@AdditionalPrinterColumn(name = "Rung", jsonPath = ".status.rung", type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(name = "Last-Wake", jsonPath = ".status.lastWake.at", type = AdditionalPrinterColumn.Type.DATE)
@AdditionalPrinterColumn(name = "Pattern", jsonPath = ".status.servingPattern", type = AdditionalPrinterColumn.Type.STRING, priority = 1)
@AdditionalPrinterColumn(name = "Age", jsonPath = ".metadata.creationTimestamp", type = AdditionalPrinterColumn.Type.DATE)
@ValidationRule(value = "self.metadata.name.size() <= 52", message = "metadata.name must have at most 52 characters: pods carry it as a label and as the start of their name")
@NullUnmarked // the base class is not annotated
public class InferenceModel extends CustomResource<InferenceModelSpec, InferenceModelStatus> implements Namespaced {

    @Override
    protected InferenceModelSpec initSpec() {
        return null;
    }

    @Override
    protected InferenceModelStatus initStatus() {
        return null;
    }
}
