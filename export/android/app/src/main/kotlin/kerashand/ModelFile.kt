// What an exported .tflite file says of itself, and whether it is what the export wrote, as in
// kerashand/runtime/model_file.py and operators.py.
package kerashand

import java.io.ByteArrayInputStream
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.security.MessageDigest
import java.util.zip.ZipException
import java.util.zip.ZipInputStream
import kotlin.math.max
import org.json.JSONException
import org.json.JSONObject

/** Operators that networks of kerashand are made of; kerashand/runtime/operators.py names them. */
val OPERATORS = setOf(
    0, 1, 2, 3, 4, 6, 9, 14, 17, 18, 19, 22, 23, 40, 41, 42, 45, 47, 53, 55, 57, 59, 69, 74, 75, 76,
    82, 83, 98, 99, 114
)
private const val CUSTOM_OPERATOR = 32

/**
 * A model file in memory: a network, and behind it a zip archive with its description.
 *
 * Throws IOException unless the network has the checksum in the description and is made of
 * `OPERATORS` alone.
 */
class ModelFile(private val name: String, private val bytes: ByteArray) {
    private val data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)

    /** What it says of itself. */
    val description = readable { JSONObject(readDescription()) }

    init {
        readable { checkNetwork() }
    }

    /** A text of the description; empty where it is missing. */
    fun text(key: String) = description.opt(key) as? String ?: ""

    /** A number of 0 to 1 of the description. */
    fun score(key: String, default: Double): Double {
        val value = description.opt(key) ?: return default
        if (value is Number && value.toDouble() in 0.0..1.0) return value.toDouble()
        throw IOException("$name says a `$key` that is not 0 to 1. Received: ${"$value".take(60)}")
    }

    /** An object of the description; empty where it is missing. */
    fun values(key: String) = when (val value = description.opt(key)) {
        null -> JSONObject()
        is JSONObject -> value
        else -> throw IOException("$name says a `$key` without names: ${"$value".take(60)}")
    }

    private fun <T> readable(read: () -> T): T = try {
        read()
    } catch (error: IndexOutOfBoundsException) {
        throw IOException("$name is damaged: it points to a place beyond its end", error)
    } catch (error: ZipException) {
        throw IOException("$name is damaged: ${error.message}", error)
    } catch (error: JSONException) {
        throw IOException("$name is damaged: its description is not JSON", error)
    } catch (error: StackOverflowError) {
        throw IOException("$name is damaged: its description is nested too deep", error)
    }

    private fun readDescription(): String {
        // The archive's end, of 22 bytes, is the last thing in the file: archives get no comment.
        val end = bytes.size - 22
        if (end < 0 || data.getInt(end) != END_MARK) throw IOException("$name holds no description")
        // The first member of the archive is the description; it lies where the network ends.
        val first = data.getInt(data.getInt(end + 16) + 42)
        if (first !in bytes.indices) throw IndexOutOfBoundsException("$first")
        val archive = ZipInputStream(ByteArrayInputStream(bytes, first, bytes.size - first))
        if (archive.nextEntry?.name != "kerashand.json") {
            throw IOException("$name holds no description")
        }
        return archive.readBytes().decodeToString()
    }

    private fun checkNetwork() {
        val checksum = values("checksum")
        val size = checksum.opt("bytes") as? Int ?: -1
        val digest = MessageDigest.getInstance("SHA-256")
        if (size in 0..bytes.size) digest.update(bytes, 0, size)
        val digits = digest.digest().joinToString("") { "%02x".format(it) }
        if (size !in 0..bytes.size || digits != checksum.opt("sha256")) {
            throw IOException("$name is damaged: it does not have the checksum of its export")
        }
        val foreign = operators() - OPERATORS
        if (foreign.isNotEmpty()) throw IOException("$name holds other operators: $foreign")
    }

    /** Numbers of the operators that the network declares: tables of FlatBuffers. */
    private fun operators(): Set<Int> {
        val list = field(data.getInt(0), 1) ?: return emptySet()
        val vector = list + data.getInt(list)
        val count = data.getInt(vector)
        if (count !in bytes.indices) throw IndexOutOfBoundsException("$count operators")
        return (1..count).map { number ->
            val place = vector + 4 * number
            val table = place + data.getInt(place)
            val old = field(table, 0)?.let { data.get(it).toInt() } ?: 0
            val now = field(table, 3)?.let { data.getInt(it) } ?: 0
            if (field(table, 1) != null) CUSTOM_OPERATOR else max(old, now)
        }.toSet()
    }

    /** Where a field of a table lies; null where it has its default. */
    private fun field(table: Int, index: Int): Int? {
        val layout = table - data.getInt(table)
        val entry = 4 + 2 * index
        if (entry + 2 > data.getShort(layout).toUShort().toInt()) return null
        val offset = data.getShort(layout + entry).toUShort().toInt()
        return if (offset == 0) null else table + offset
    }

    private companion object {
        const val END_MARK = 0x06054b50
    }
}
