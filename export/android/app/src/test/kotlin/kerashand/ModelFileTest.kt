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
        assertEquals(128.0, ModelFile("hand.tflite", bytes).number("image_size_px")!!, 0.0)
    }

    @Test
    fun damagedFilesAreRefused() {
        val changed = bytes.copyOf().also { it[2_000_000] = (it[2_000_000] + 1).toByte() }
        assertTrue("checksum" in refusal(changed))
        assertTrue("checksum" in refusal(with(network, "\"sha256\"", "\"sha257\"")))
        assertTrue("checksum" in refusal(with(network, "\"bytes\": 4", "\"bytes\": 9")))
        for (size in listOf(0, 21, 22, 1000, bytes.size - 1)) {
            assertTrue("description" in refusal(bytes.copyOf(size)))
        }
    }

    @Test
    fun otherOperatorsAreRefusedWhateverTheChecksumSays() {
        // The list of operators lies about here, each with its number in the schema of TensorFlow
        // Lite: TILE is 69, SIN is 66.
        val changed = network.copyOf()
        for (place in 95_000 until 96_000) if (changed[place] == 69.toByte()) changed[place] = 66
        val whole = with(changed, digestOf(network), digestOf(changed))
        assertTrue("other operators: [66]" in refusal(whole))
    }
}
