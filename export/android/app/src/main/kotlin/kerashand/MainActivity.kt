package kerashand

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.graphics.ImageDecoder
import android.net.Uri
import android.os.Bundle
import android.widget.Button
import android.widget.LinearLayout
import android.widget.TextView
import java.util.concurrent.Executors
import kotlin.math.max
import kotlin.math.roundToInt

/** Choose a picture; its hands are drawn. The views and the picker are Android's own. */
class MainActivity : Activity() {
    // One thread, as the networks keep their buffers between runs.
    private val worker = Executors.newSingleThreadExecutor()
    private val pose by lazy { loadHandPose(assets) }
    private lateinit var view: HandView
    private lateinit var status: TextView

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        view = HandView(this)
        status = TextView(this)
        val button = Button(this).apply {
            text = "Choose a picture"
            setOnClickListener { choose() }
        }
        val column = LinearLayout(this).apply {
            orientation = LinearLayout.VERTICAL
            fitsSystemWindows = true
            addView(button)
            addView(status)
            addView(view, LinearLayout.LayoutParams(LinearLayout.LayoutParams.MATCH_PARENT, 0, 1f))
        }
        setContentView(column)
    }

    override fun onDestroy() {
        worker.shutdown()
        super.onDestroy()
    }

    private fun choose() {
        val intent = Intent(Intent.ACTION_OPEN_DOCUMENT)
            .addCategory(Intent.CATEGORY_OPENABLE)
            .setType("image/*")
        startActivityForResult(intent, CHOICE)
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        super.onActivityResult(request, result, data)
        val uri = data?.data ?: return
        if (request == CHOICE && result == RESULT_OK) worker.execute { read(uri) }
    }

    private fun read(uri: Uri) {
        try {
            val bitmap = decoded(uri)
            val picture = pictureOf(bitmap)
            val start = System.nanoTime()
            val hands = pose.predict(picture)
            val milliseconds = (System.nanoTime() - start) / 1_000_000
            runOnUiThread {
                view.show(bitmap, hands)
                val each = hands.joinToString {
                    "${it.handedness.name.lowercase()} %.2f".format(it.score)
                }
                status.text = "${hands.size} hands in $milliseconds ms. $each"
            }
        } catch (error: Exception) { // whatever a file of somebody's or a runtime raises
            runOnUiThread { status.text = "$error" }
        }
    }

    /** A picture upright, and not larger than is of use. */
    private fun decoded(uri: Uri): Bitmap {
        val source = ImageDecoder.createSource(contentResolver, uri)
        return ImageDecoder.decodeBitmap(source) { decoder, info, _ ->
            decoder.allocator = ImageDecoder.ALLOCATOR_SOFTWARE // pixels that can be read
            val scale = LARGEST_SIDE_PX / max(info.size.width, info.size.height).toDouble()
            if (scale < 1) {
                val (width, height) = info.size.width * scale to info.size.height * scale
                decoder.setTargetSize(max(width.roundToInt(), 1), max(height.roundToInt(), 1))
            }
        }
    }

    private fun pictureOf(bitmap: Bitmap): Picture {
        val (width, height) = bitmap.width to bitmap.height
        val pixels = IntArray(width * height)
        bitmap.getPixels(pixels, 0, width, 0, 0, width, height)
        val rgb = ByteArray(3 * pixels.size)
        pixels.forEachIndexed { place, argb ->
            rgb[3 * place] = (argb shr 16).toByte()
            rgb[3 * place + 1] = (argb shr 8).toByte()
            rgb[3 * place + 2] = argb.toByte()
        }
        return Picture(width, height, rgb)
    }

    private companion object {
        const val CHOICE = 1
        const val LARGEST_SIDE_PX = 4096
    }
}
