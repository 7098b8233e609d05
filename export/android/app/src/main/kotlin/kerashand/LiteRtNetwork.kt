// A .tflite file that kerashand exported, run by LiteRT on the CPU.
package kerashand

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.io.IOException

/** Pose models also have a signature that takes a camera, hence the name. */
private const val SIGNATURE = "serving_default"

/**
 * A model among the assets of the app.
 *
 * LiteRT reads an asset into memory and verifies its structure there; the path of a file it opens
 * without that.
 */
class LiteRtNetwork(assets: AssetManager, name: String, outputNames: List<String>) :
    Network, AutoCloseable {
    /** What it says of itself, checked before LiteRT sees it. */
    val file = ModelFile(name, assets.open(name).use { it.readBytes() })
    override val sizePx =
        file.number("image_size_px")?.toInt() ?: throw IOException("$name says no size")
    private val model =
        CompiledModel.create(assets, name, CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer("image", SIGNATURE)
    private val outputs = outputNames.associateWith { model.createOutputBuffer(it, SIGNATURE) }

    override fun run(image: ByteArray): Map<String, FloatArray> {
        // Kotlin's buffers name no unsigned bytes; these are written as they are.
        input.writeInt8(image)
        model.run(mapOf("image" to input), outputs, SIGNATURE)
        return outputs.mapValues { (_, buffer) -> buffer.readFloat() }
    }

    override fun close() {
        input.close()
        outputs.values.forEach { it.close() }
        model.close()
    }
}

/** The two models, among the assets of the app. */
fun loadHandPose(
    assets: AssetManager,
    pose: String = "hand_pose.tflite",
    detector: String = "hand_detector.tflite",
): HandPose {
    val boxes = LiteRtNetwork(assets, detector, listOf("score", "box", "right"))
    return HandPose(
        LiteRtNetwork(assets, pose, listOf("uv_px", "z_relative", "confidence")),
        Detector(
            boxes,
            threshold = boxes.file.number("threshold") ?: 0.5,
            leastScore = boxes.file.number("least_score") ?: 0.0,
        ),
    )
}
