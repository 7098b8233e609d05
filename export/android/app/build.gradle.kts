plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "kerashand"
    compileSdk = 36

    defaultConfig {
        applicationId = "kerashand.hands"
        // ImageDecoder, which turns photographs upright, came with Android 9.
        minSdk = 28
        targetSdk = 36
        versionCode = 1
        versionName = "0.1"
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
}

kotlin { jvmToolchain(17) }

dependencies {
    implementation("com.google.ai.edge.litert:litert:2.1.5")
    testImplementation("junit:junit:4.13.2")
    testImplementation("org.json:json:20250107") // Android has it, its tests on a computer have not
}
