package dev.dormouse.api.v1alpha1;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Categories;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;
import org.jspecify.annotations.NullUnmarked;

/** One snapshot on a volume. The operator makes one per snapshot it finds; deleting it frees the bytes first. */
@Group("dormouse.dev")
@Version("v1alpha1")
@ShortNames("ms")
@Categories("dormouse")
@AdditionalPrinterColumn(name = "Model", jsonPath = ".spec.model", type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(name = "State", jsonPath = ".status.conditions[?(@.type==\"Ready\")].reason", type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(name = "Raw", jsonPath = ".status.rawBytes", type = AdditionalPrinterColumn.Type.INTEGER)
@AdditionalPrinterColumn(name = "Stored", jsonPath = ".status.storedBytes", type = AdditionalPrinterColumn.Type.INTEGER)
@AdditionalPrinterColumn(name = "Pinned", jsonPath = ".spec.pinned", type = AdditionalPrinterColumn.Type.BOOLEAN)
@AdditionalPrinterColumn(name = "Restored", jsonPath = ".status.lastRestoredAt", type = AdditionalPrinterColumn.Type.DATE)
@AdditionalPrinterColumn(name = "Verified", jsonPath = ".status.lastVerifiedAt", type = AdditionalPrinterColumn.Type.DATE)
@AdditionalPrinterColumn(name = "Taken", jsonPath = ".status.createdAt", type = AdditionalPrinterColumn.Type.DATE)
@NullUnmarked // the base class is not annotated
public class ModelSnapshot extends CustomResource<ModelSnapshotSpec, ModelSnapshotStatus> implements Namespaced {

    @Override
    protected ModelSnapshotSpec initSpec() {
        return null;
    }

    @Override
    protected ModelSnapshotStatus initStatus() {
        return null;
    }
}
