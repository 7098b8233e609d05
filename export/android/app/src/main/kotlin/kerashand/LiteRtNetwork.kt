// A .tflite file that kerashand exported, run by LiteRT on the CPU.
package kerashand

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.io.File
import java.io.IOException
import java.util.zip.ZipFile

/** Pose models also have a signature that takes a camera, hence the name. */
private const val SIGNATURE = "serving_default"

/** What a file says about itself: JSON in a zip archive at its end. */
class Description(private val text: String) {
    fun number(name: String): Double? =
        Regex("\"$name\"\\s*:\\s*([-+.0-9eE]+)").find(text)?.groupValues?.get(1)?.toDoubleOrNull()

    companion object {
        fun of(file: File): Description = ZipFile(file).use { archive ->
            val entry = archive.getEntry("kerashand.json")
                ?: throw IOException("$file holds no description")
            Description(archive.getInputStream(entry).bufferedReader().readText())
        }
    }
}

class LiteRtNetwork(file: File, description: Description, outputNames: List<String>) :
    Network, AutoCloseable {
    override val sizePx =
        description.number("image_size_px")?.toInt() ?: throw IOException("$file says no size")
    private val model =
        CompiledModel.create(file.path, CompiledModel.Options(Accelerator.CPU))
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

/** The two models, from files. */
fun loadHandPose(poseFile: File, finderFile: File): HandPose {
    val (pose, finder) = Description.of(poseFile) to Description.of(finderFile)
    return HandPose(
        LiteRtNetwork(poseFile, pose, listOf("uv_px", "z_relative", "confidence")),
        Finder(
            LiteRtNetwork(finderFile, finder, listOf("score", "box", "right")),
            threshold = finder.number("threshold") ?: 0.5,
            leastScore = finder.number("least_score") ?: 0.0,
        ),
    )
}
