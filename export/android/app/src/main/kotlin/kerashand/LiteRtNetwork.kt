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
class LiteRtNetwork(assets: AssetManager, name: String, task: String) : Network, AutoCloseable {
    /** What it says of itself, checked before LiteRT sees it. */
    val file = ModelFile(name, assets.open(name).use { it.readBytes() })
    override val sizePx =
        file.description.opt("image_size_px") as? Int ?: throw IOException("$name says no size")
    override val outputs = file.values("outputs").keys().asSequence().map { "$it" }.toSet()

    init {
        if (file.text("task") != task) throw IOException(
            "$name is no $task. It says that it is: ${file.text("task").take(60)}"
        )
    }

    private val model =
        CompiledModel.create(assets, name, CompiledModel.Options(Accelerator.CPU))
    private val input = model.createInputBuffer("image", SIGNATURE)
    private val buffers = outputs.associateWith { model.createOutputBuffer(it, SIGNATURE) }

    override fun run(image: ByteArray): Map<String, FloatArray> {
        // Kotlin's buffers name no unsigned bytes; these are written as they are.
        input.writeInt8(image)
        model.run(mapOf("image" to input), buffers, SIGNATURE)
        return buffers.mapValues { (_, buffer) -> buffer.readFloat() }
    }

    override fun close() {
        input.close()
        buffers.values.forEach { it.close() }
        model.close()
    }
}

/** The two models, among the assets of the app. */
fun loadHandPose(
    assets: AssetManager,
    pose: String = "hand_pose.tflite",
    detector: String = "hand_detector.tflite",
): HandPose {
    val joints = LiteRtNetwork(assets, pose, "hand_pose")
    val boxes = LiteRtNetwork(assets, detector, "hand_detector")
    val bone = joints.file.text("scale_bone")
    if (bone !in PALM_RATIOS) throw IOException("$pose measures depth by another bone: $bone")
    return HandPose(
        joints,
        Detector(
            boxes, boxes.file.score("threshold", 0.5), boxes.file.score("least_up", 0.0),
        ),
        Recipe(joints.file.values("recipe")),
        bone,
    )
}
