// swift-tools-version:5.9
// The parts of the app that need neither a phone nor LiteRT, for `swift test` on a Mac.

import PackageDescription

let package = Package(
    name: "Hands",
    platforms: [.macOS(.v13), .iOS(.v16)],
    targets: [
        .target(
            name: "Hands", path: "Hands",
            sources: ["Crop.swift", "Geometry.swift", "HandPose.swift", "Recipe.swift"]),
        .testTarget(name: "HandsTests", dependencies: ["Hands"], path: "HandsTests"),
    ])
