package kerashand

import android.content.Context
import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.view.View as AndroidView
import kotlin.math.min

/** A picture with the skeletons of its hands, as large as there is room. */
class HandView(context: Context) : AndroidView(context) {
    private var bitmap: Bitmap? = null
    private var hands = emptyList<Hand>()
    private val paint = Paint(Paint.ANTI_ALIAS_FLAG or Paint.FILTER_BITMAP_FLAG).apply {
        strokeCap = Paint.Cap.ROUND
    }

    fun show(bitmap: Bitmap, hands: List<Hand>) {
        this.bitmap = bitmap
        this.hands = hands
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        val bitmap = bitmap ?: return
        val scale = min(width.toFloat() / bitmap.width, height.toFloat() / bitmap.height)
        canvas.translate((width - scale * bitmap.width) / 2, (height - scale * bitmap.height) / 2)
        canvas.scale(scale, scale)
        canvas.drawBitmap(bitmap, 0f, 0f, paint)
        // Integers are the centres of pixels here; on a canvas they are corners.
        canvas.translate(0.5f, 0.5f)
        paint.strokeWidth = 4 * resources.displayMetrics.density / scale
        for (hand in hands) for (joint in 1 until JOINTS) {
            val (u, v) = hand.uvPx[PARENTS[joint]]
            val end = hand.uvPx[joint]
            paint.color = FINGER_COLOURS[(joint - 1) / 4]
            canvas.drawLine(u.toFloat(), v.toFloat(), end.u.toFloat(), end.v.toFloat(), paint)
        }
    }

    private companion object {
        val FINGER_COLOURS = intArrayOf(
            Color.rgb(230, 57, 57), Color.rgb(240, 178, 34), Color.rgb(62, 180, 73),
            Color.rgb(38, 140, 230), Color.rgb(165, 75, 210),
        )
    }
}
