package kerashand

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.CRC32
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

/** The packaged pose model, whole and damaged; without LiteRT. */
class ModelFileTest {
    private val bytes = File("../../../kerashand/weights/hand_pose.tflite").readBytes()
    private val size = Regex("\"bytes\": ([0-9]+)").find(bytes.text())!!.groupValues[1].toInt()
    private val network = bytes.copyOf(size)

    private fun ByteArray.text() = String(this, Charsets.ISO_8859_1)

    private fun refusal(bytes: ByteArray): String =
        assertThrows(IOException::class.java) { ModelFile("hand.tflite", bytes) }.message!!

    /** The file with another network, and text of the same length in its description. */
    private fun with(network: ByteArray, old: String, new: String): ByteArray {
        val archive = bytes.copyOfRange(size, bytes.size).text()
        assertTrue(old in archive && old.length == new.length)
        val start = archive.indexOf("{")
        val description = archive.substring(start, archive.indexOf("PK", start))
        // The archive holds a checksum of its own, twice.
        val changed = archive.replace(crcOf(description), crcOf(description.replace(old, new)))
            .replace(old, new)
        return network + changed.toByteArray(Charsets.ISO_8859_1)
    }

    private fun crcOf(text: String): String {
        val crc = CRC32().apply { update(text.toByteArray(Charsets.ISO_8859_1)) }.value
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(crc.toInt()).array()
            .text()
    }

    private fun digestOf(network: ByteArray): String = MessageDigest.getInstance("SHA-256")
        .digest(network).joinToString("") { "%02x".format(it) }

    @Test
    fun aWholeFileSaysWhatItIs() {
        val file = ModelFile("hand.tflite", bytes)
        assertEquals(128, file.description.getInt("image_size_px"))
        assertEquals("hand_pose", file.text("task"))
        assertTrue("uv_px" in file.values("outputs").keys().asSequence())
        Recipe(file.values("recipe"))
        assertEquals(0.5, file.score("threshold", 0.5), 0.0)
        assertThrows(IOException::class.java) { file.score("image_size_px", 0.5) }
        assertThrows(IOException::class.java) { file.values("task") }
    }

    @Test
    fun damagedFilesAreRefused() {
        val changed = bytes.copyOf().also { it[2_000_000] = (it[2_000_000] + 1).toByte() }
        assertTrue("checksum" in refusal(changed))
        assertTrue("checksum" in refusal(with(network, "\"sha256\"", "\"sha257\"")))
        assertTrue("checksum" in refusal(with(network, ": $size", ": ${size - 1}")))
        for (size in listOf(0, 21, 22, 1000, bytes.size - 1)) {
            assertTrue("description" in refusal(bytes.copyOf(size)))
        }
        assertTrue("not JSON" in refusal(with(network, "{", "[")))
    }

    @Test
    fun otherOperatorsAreRefusedWhateverTheChecksumSays() {
        // Field 1 of the root table is the list of operators, each with its number in the schema of
        // TensorFlow Lite: TILE is 69, SIN is 66.
        val data = ByteBuffer.wrap(network).order(ByteOrder.LITTLE_ENDIAN)
        val root = data.getInt(0)
        val field = root + data.getShort(root - data.getInt(root) + 6)
        val list = field + data.getInt(field)
        val changed = network.copyOf()
        for (place in list until minOf(list + 1000, changed.size)) {
            if (changed[place] == 69.toByte()) changed[place] = 66
        }
        val whole = with(changed, digestOf(network), digestOf(changed))
        assertTrue("other operators: [66]" in refusal(whole))
    }
}
