// Choose a picture; its hands are drawn.

import PhotosUI
import SwiftUI

/// A picture and the hands in it.
struct Reading {
    let image: UIImage
    let hands: [Hand]
    let milliseconds: Int
}

/// The models, one picture after the other, off the main thread.
actor Reader {
    private var pose: HandPose?

    func read(_ data: Data) throws -> Reading {
        guard let image = UIImage(data: data), let turned = upright(image),
            let picture = rgb(of: turned)
        else {
            throw ModelError(errorDescription: "This is not a picture that can be read.")
        }
        let loaded = try pose ?? HandPose.load()
        pose = loaded
        let start = Date()
        let hands = try loaded.predict(picture)
        let milliseconds = Int(Date().timeIntervalSince(start) * 1000)
        return Reading(image: turned, hands: hands, milliseconds: milliseconds)
    }
}

private let largestSidePx: CGFloat = 4096

/// A picture turned as its EXIF data say, one point a pixel, and not larger than is of use.
private func upright(_ image: UIImage) -> UIImage? {
    let (width, height) = (image.size.width * image.scale, image.size.height * image.scale)
    guard width >= 1, height >= 1 else { return nil }
    let shrink = min(1, largestSidePx / max(width, height))
    let size = CGSize(
        width: max((width * shrink).rounded(), 1), height: max((height * shrink).rounded(), 1))
    let format = UIGraphicsImageRendererFormat()
    format.scale = 1
    format.opaque = true
    format.preferredRange = .standard
    return UIGraphicsImageRenderer(size: size, format: format).image { _ in
        image.draw(in: CGRect(origin: .zero, size: size))
    }
}

/// Its pixels as the networks take them.
private func rgb(of image: UIImage) -> Picture? {
    guard let pixels = image.cgImage, let space = CGColorSpace(name: CGColorSpace.sRGB) else {
        return nil
    }
    let (width, height) = (pixels.width, pixels.height)
    var rgba = [UInt8](repeating: 0, count: 4 * width * height)
    let drawn = rgba.withUnsafeMutableBytes { memory -> Bool in
        guard
            let context = CGContext(
                data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8,
                bytesPerRow: 4 * width, space: space,
                bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
        else { return false }
        context.draw(pixels, in: CGRect(x: 0, y: 0, width: width, height: height))
        return true
    }
    guard drawn else { return nil }
    var rgb = [UInt8](repeating: 0, count: 3 * width * height)
    for pixel in 0..<width * height {
        for channel in 0..<3 {
            rgb[3 * pixel + channel] = rgba[4 * pixel + channel]
        }
    }
    return Picture(width: width, height: height, rgb: rgb)
}

struct ContentView: View {
    @State private var item: PhotosPickerItem?
    @State private var result: Reading?
    @State private var status = ""
    @State private var reader = Reader()

    var body: some View {
        VStack {
            PhotosPicker("Choose a picture", selection: $item, matching: .images)
                .buttonStyle(.borderedProminent)
            Text(status).font(.footnote)
            if let result {
                HandsCanvas(result: result)
            } else {
                Spacer()
            }
        }
        .padding()
        // Runs again with each choice, and the run before it is given up.
        .task(id: item) {
            guard let item else { return }
            do {
                guard let data = try await item.loadTransferable(type: Data.self) else { return }
                let read = try await reader.read(data)
                if Task.isCancelled { return }
                result = read
                let each = read.hands.map {
                    "\($0.handedness.rawValue) " + String(format: "%.2f", $0.score)
                }
                status = "\(read.hands.count) hands in \(read.milliseconds) ms. "
                    + each.joined(separator: ", ")
            } catch {
                status = error.localizedDescription
            }
        }
    }
}

/// A picture with the skeletons of its hands, as large as there is room.
struct HandsCanvas: View {
    let result: Reading

    private static let fingerColours: [Color] = [
        Color(red: 0.90, green: 0.22, blue: 0.22), Color(red: 0.94, green: 0.70, blue: 0.13),
        Color(red: 0.24, green: 0.71, blue: 0.29), Color(red: 0.15, green: 0.55, blue: 0.90),
        Color(red: 0.65, green: 0.29, blue: 0.82),
    ]

    var body: some View {
        Canvas { context, size in
            let image = result.image.size
            let scale = min(size.width / image.width, size.height / image.height)
            let left = (size.width - scale * image.width) / 2
            let top = (size.height - scale * image.height) / 2
            context.draw(
                Image(uiImage: result.image),
                in: CGRect(
                    x: left, y: top, width: scale * image.width, height: scale * image.height))
            // Integers are the centres of pixels here; on a canvas they are corners.
            func place(_ joint: Point) -> CGPoint {
                CGPoint(
                    x: left + scale * CGFloat(joint.u + 0.5),
                    y: top + scale * CGFloat(joint.v + 0.5))
            }
            for hand in result.hands {
                for joint in 1..<jointCount {
                    var bone = Path()
                    bone.move(to: place(hand.uvPx[parents[joint]]))
                    bone.addLine(to: place(hand.uvPx[joint]))
                    context.stroke(
                        bone, with: .color(HandsCanvas.fingerColours[(joint - 1) / 4]),
                        style: StrokeStyle(lineWidth: 4, lineCap: .round))
                }
            }
        }
    }
}
